"""A shop in memory: tables of records, sorted by number, that share one lock."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from threading import RLock
from typing import Any, Generic, TypeVar

from sandbox.shopify.model import Collection, Discount, Location, MetafieldDefinition, Product, Profile, Variant

T = TypeVar("T")


def get_current_time() -> str:
    """Return the current time in Shopify's format: ISO 8601, in UTC and whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Table(Generic[T]):
    """Holds records by number. Iteration follows the order of the numbers.

    `get_number` returns the number of a record.
    """

    def __init__(self, get_number: Callable[[T], int]) -> None:
        self._get_number = get_number
        self._by_number: dict[int, T] = {}
        self._sorted: list[T] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[T]:
        return iter(self._sorted)

    def get(self, number: int) -> T | None:
        """Return the record with `number`, or None."""
        return self._by_number.get(number)

    def put(self, record: T) -> None:
        """Add a record, or replace the record with the same number."""
        number = self._get_number(record)
        if number in self._by_number:
            self._sorted[self._find_index(number)] = record
        elif not self._sorted or self._get_number(self._sorted[-1]) < number:
            self._sorted.append(record)
        else:
            self._sorted.insert(self._find_index(number), record)
        self._by_number[number] = record

    def remove(self, number: int) -> T | None:
        """Remove the record with `number`, and return it. Return None if it does not exist."""
        record = self._by_number.pop(number, None)
        if record is not None:
            del self._sorted[self._find_index(number)]
        return record

    def list_between(self, low: int | None, high: int | None) -> list[T]:
        """List all records with low <= number <= high, in the order of their numbers. None means no limit."""
        start = 0 if low is None else bisect_left(self._sorted, low, key=self._get_number)
        stop = len(self._sorted) if high is None else bisect_right(self._sorted, high, key=self._get_number)
        return self._sorted[start:stop]

    def _find_index(self, number: int) -> int:
        return bisect_left(self._sorted, number, key=self._get_number)


class Shop:
    """The records of one shop. Callers hold `lock` while they read or change them.

    Callers call `invalidate_memberships` after every change that may affect which products are in a smart collection.
    `unique_values` are the products' numbers by the values of a metafield (namespace, key). Those of a metafield are
    there from the first search for one of them on, as the products' numbers by `handles` are from the first search for
    a handle on. A product need not have the value or the handle any more. `operations` are the operations that set a
    product in the background, by number; `open_jobs` the gids of the jobs that are not done yet.
    """

    def __init__(self, profile: Profile) -> None:
        self.lock = RLock()
        self.profile = profile
        self.products: Table[Product] = Table(lambda p: p.number)
        self.variants: Table[Variant] = Table(lambda v: v.number)
        self.items: Table[Variant] = Table(lambda v: v.item)
        self.collections: Table[Collection] = Table(lambda c: c.number)
        self.discounts: Table[Discount] = Table(lambda d: d.number)
        self.locations: Table[Location] = Table(lambda location: location.number)
        self.definitions: Table[MetafieldDefinition] = Table(lambda definition: definition.number)
        self.unique_values: dict[tuple[str, str], dict[str, int]] = {}
        self.handles: dict[str, int] = {}
        self.operations: dict[int, dict[str, Any]] = {}
        self.open_jobs: set[str] = set()
        self._member_cache: dict[int, list[int]] = {}

    @property
    def domain(self) -> str:
        """The domain of the shop, such as acme.myshopify.com."""
        return self.profile.domain

    def allocate_number(self) -> int:
        """Return a new number, which no record of this shop has had before."""
        self.profile.sequence += 7
        return self.profile.sequence

    def put_product(self, product: Product) -> None:
        """Add or replace a product with all its variants."""
        self._remove_variants(product.number)
        self.products.put(product)
        if self.handles:
            self.handles[product.handle] = product.number
        for variant in product.variants:
            self.variants.put(variant)
            self.items.put(variant)
        self.invalidate_memberships()

    def remove_product(self, number: int) -> Product | None:
        """Remove a product with its variants, and return it. Return None if it does not exist."""
        self._remove_variants(number)
        self.invalidate_memberships()
        return self.products.remove(number)

    def invalidate_memberships(self) -> None:
        """Forget the members of all collections. They are determined again when they are next read."""
        self._member_cache.clear()

    def list_members(self, collection: Collection) -> list[int]:
        """List the numbers of the products in a collection.

        Those of a manual collection are in the merchant's order, those of a smart collection are sorted by number.
        """
        members = self._member_cache.get(collection.number)
        if members is None:
            members = list(self._select_members(collection))
            self._member_cache[collection.number] = members
        return members

    def _select_members(self, collection: Collection) -> Iterable[int]:
        if collection.rule is None:
            return (number for number in collection.members if self.products.get(number) is not None)
        rule = collection.rule
        return (product.number for product in self.products if rule.is_match(product))

    def _remove_variants(self, number: int) -> None:
        product = self.products.get(number)
        for variant in product.variants if product is not None else ():
            self.variants.remove(variant.number)
            self.items.remove(variant.item)
