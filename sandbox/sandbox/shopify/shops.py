"""A shop in memory: its records in tables sorted by number, behind one lock."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from threading import RLock
from typing import Generic, TypeVar

from sandbox.shopify.model import Collection, Discount, Location, Product, Profile, Variant

T = TypeVar("T")


def now() -> str:
    """This moment as Shopify writes it: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Table(Generic[T]):
    """Records by number, listed in the order of their numbers."""

    def __init__(self, number: Callable[[T], int]) -> None:
        self._number = number
        self._by_number: dict[int, T] = {}
        self._sorted: list[T] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[T]:
        return iter(self._sorted)

    def get(self, number: int) -> T | None:
        """The record with `number`, or None."""
        return self._by_number.get(number)

    def put(self, record: T) -> None:
        """Add `record`, or put it in the place of the one with its number."""
        number = self._number(record)
        if number in self._by_number:
            self._sorted[self._index(number)] = record
        elif not self._sorted or self._number(self._sorted[-1]) < number:
            self._sorted.append(record)
        else:
            self._sorted.insert(self._index(number), record)
        self._by_number[number] = record

    def remove(self, number: int) -> T | None:
        """Take the record with `number` away and return it."""
        record = self._by_number.pop(number, None)
        if record is not None:
            del self._sorted[self._index(number)]
        return record

    def between(self, low: int | None, high: int | None) -> list[T]:
        """All records with low <= number <= high, in order; None leaves that side open."""
        start = 0 if low is None else bisect_left(self._sorted, low, key=self._number)
        stop = len(self._sorted) if high is None else bisect_right(self._sorted, high, key=self._number)
        return self._sorted[start:stop]

    def _index(self, number: int) -> int:
        return bisect_left(self._sorted, number, key=self._number)


class Shop:
    """One shop. Whoever reads or changes it holds `lock`; `changed_membership` is told of all that smart rules look
    at.
    """

    def __init__(self, profile: Profile) -> None:
        self.lock = RLock()
        self.profile = profile
        self.products: Table[Product] = Table(lambda p: p.number)
        self.variants: Table[Variant] = Table(lambda v: v.number)
        self.items: Table[Variant] = Table(lambda v: v.item)
        self.collections: Table[Collection] = Table(lambda c: c.number)
        self.discounts: Table[Discount] = Table(lambda d: d.number)
        self.locations: Table[Location] = Table(lambda place: place.number)
        self._members: dict[int, list[int]] = {}

    @property
    def domain(self) -> str:
        """Such as acme.myshopify.com."""
        return self.profile.domain

    def next_number(self) -> int:
        """A number that no record of this shop ever had."""
        self.profile.sequence += 7
        return self.profile.sequence

    def put_product(self, product: Product) -> None:
        """Add or replace a product with all its variants."""
        self._forget_variants(product.number)
        self.products.put(product)
        for variant in product.variants:
            self.variants.put(variant)
            self.items.put(variant)
        self.changed_membership()

    def remove_product(self, number: int) -> Product | None:
        """Take a product and its variants away."""
        self._forget_variants(number)
        self.changed_membership()
        return self.products.remove(number)

    def changed_membership(self) -> None:
        """Smart collections are evaluated anew at their next reading."""
        self._members.clear()

    def members(self, collection: Collection) -> list[int]:
        """The numbers of the products in `collection`: a manual one's in its order, a smart one's by number."""
        found = self._members.get(collection.number)
        if found is None:
            found = list(self._select(collection))
            self._members[collection.number] = found
        return found

    def _select(self, collection: Collection) -> Iterable[int]:
        if collection.rule is None:
            return (number for number in collection.members if self.products.get(number) is not None)
        rule = collection.rule
        return (product.number for product in self.products if rule.matches(product))

    def _forget_variants(self, number: int) -> None:
        old = self.products.get(number)
        for variant in old.variants if old is not None else ():
            self.variants.remove(variant.number)
            self.items.remove(variant.item)
