"""Finds which products and variants of both sides are the same thing: by stored pairs, then SKU, then barcode.

Nothing is guessed: a key that more than one record of a side has matches none of them, and a key that leads to a record
that is taken matches nothing. Barcodes are for SKUs that the other side does not have. Products pair through their
variants; one whose variants lead to two products is ambiguous.

The result does not depend on the order of the arguments, and is the same mirrored when the sides are exchanged. A set
of products that shares no key and no stored match with any other product (of either side) may be matched alone, with
the same result.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from linking.groups import group_connected
from linking.records import LinkedRecord, MatchKeys, Side


class MatchReason(StrEnum):
    """Why records could not be matched: reason codes of a pair."""

    AMBIGUOUS = "ambiguous_match"
    SHOPIFY_MISSING_SKU = "shopify_missing_sku"
    ODOO_MISSING_SKU = "odoo_missing_sku"


@dataclass(frozen=True)
class VariantKeys:
    """A variant of a candidate: its id and keys. It is not `is_in_domain` when it is archived, or its product is
    not."""

    id: str
    keys: MatchKeys
    is_in_domain: bool = True


@dataclass(frozen=True)
class ProductKeys:
    """A product of one side as a candidate for matching: what of it the match needs.

    Archived ones are candidates too. One that is not `is_in_domain` is matched, but never reported as missing or
    without a SKU.
    """

    id: str
    variants: tuple[VariantKeys, ...]
    is_in_domain: bool = True


@dataclass(frozen=True)
class StoredMatch:
    """A product pair that is linked already, with its variants' pairs: Odoo's id by Shopify's."""

    shopify: str
    odoo: str
    variants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VariantMatch:
    """Two variants that are the same thing, and the key that says so: `stored`, `sku` or `barcode`."""

    shopify: str
    odoo: str
    key: str


@dataclass(frozen=True)
class ProductMatch:
    """Two products that are the same thing, with their matched variants (stored ones too)."""

    shopify: str
    odoo: str
    variants: tuple[VariantMatch, ...]
    is_stored: bool = False
    unmatched: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)
    """The variants of each side that the other product lacks, and that have no problem."""


@dataclass(frozen=True)
class MatchProblem:
    """Records that could not be matched, and why. They are listed; everything else goes on.

    `products` and `variants` have the ids of each side, sorted. `key` is the key that they share, such as `sku:A-1`;
    empty where there is none.
    """

    reason: MatchReason
    products: Mapping[Side, tuple[str, ...]]
    variants: Mapping[Side, tuple[str, ...]]
    key: str = ""


@dataclass(frozen=True)
class MatchResult:
    """What matching has found. All tuples are sorted by ids."""

    pairs: tuple[ProductMatch, ...] = ()
    problems: tuple[MatchProblem, ...] = ()
    unmatched: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)
    """The products of each side (in the domain) that the other side lacks, and none of whose variants has a problem."""


def build_product_keys(record: LinkedRecord) -> ProductKeys:
    """Return a linked product as a candidate."""
    variants = (VariantKeys(one.id, one.keys, one.is_in_domain and not one.is_archived) for one in record.children)
    return ProductKeys(record.id, tuple(variants), record.is_in_domain)


def match_products(
    shopify: Iterable[ProductKeys], odoo: Iterable[ProductKeys], stored: Iterable[StoredMatch] = ()
) -> MatchResult:
    """Match the products of both sides.

    A stored match stays while both of its records are there; a record of it that is missing here is left out. The keys
    of stored variants count for uniqueness: a new record with the SKU of a paired one is ambiguous.
    """
    work = _Matching({Side.SHOPIFY: shopify, Side.ODOO: odoo}, stored)
    work.match_by_sku()
    work.match_by_barcode()
    work.report_missing_skus()
    groups = work.group_products()
    pairs = [pair for group in groups for pair in work.build_pairs(group)]
    return MatchResult(
        tuple(sorted(pairs, key=lambda pair: (pair.shopify, pair.odoo))),
        tuple(sorted(work.problems, key=_sort_problem)),
        {side: work.list_unmatched(side, pairs) for side in Side},
    )


_Ref = tuple[Side, str]
"""A record of one side: a variant or a product."""


class _Matching:
    """One run: the records by their keys, what is matched with what, and the problems so far."""

    def __init__(self, products: Mapping[Side, Iterable[ProductKeys]], stored: Iterable[StoredMatch]) -> None:
        self.products = {(side, one.id): one for side, listed in products.items() for one in listed}
        self.variants: dict[_Ref, VariantKeys] = {}
        self.owners: dict[_Ref, _Ref] = {}
        for ref, product in self.products.items():
            for variant in product.variants:
                self.variants[ref[0], variant.id] = variant
                self.owners[ref[0], variant.id] = ref
        self.partners: dict[_Ref, _Ref] = {}
        self.reasons: dict[_Ref, str] = {}
        self.stored: dict[_Ref, _Ref] = {}
        """The partners of products with a stored match."""
        self.problems: list[MatchProblem] = []
        self.troubled: set[_Ref] = set()
        """The variants that have a problem. Their ids may be those of products, too."""
        self.named: set[_Ref] = set()
        """The products that a listed problem names. They are not made on the other side."""
        for match in stored:
            self._keep(match)

    def match_by_sku(self) -> None:
        """Match the variants whose SKU only one record of each side has."""
        for sku, refs in self._group_by({ref: one.keys.sku for ref, one in self.variants.items()}):
            free = [ref for ref in refs if ref not in self.partners]
            if len(refs) == len(free) == 2 and refs[0][0] is not refs[1][0]:
                self._join(refs[0], refs[1], "sku")
            elif free and len(refs) > 1:
                self._report(MatchReason.AMBIGUOUS, refs, f"sku:{sku}", troubled=free)

    def match_by_barcode(self) -> None:
        """Match the variants that the SKU has led nowhere and whose barcode only one record of each side has."""
        with_sku = (ref for ref, one in self.variants.items() if one.keys.sku)
        open_refs = {ref for ref in with_sku if ref not in self.partners and ref not in self.troubled}
        for barcode, refs in self._group_by({ref: one.keys.barcode for ref, one in self.variants.items()}):
            free = [ref for ref in refs if ref in open_refs]
            if not free or len({side for side, _ in refs}) == 1:
                continue
            if len(refs) == len(free) == 2:
                self._join(refs[0], refs[1], "barcode")
                continue
            (other,) = [ref for ref in refs if ref not in free] if len(refs) == 2 else [free[0]]
            if self.variants[other].keys.sku or other in self.partners:
                self._report(MatchReason.AMBIGUOUS, refs, f"barcode:{barcode}", troubled=free)
            else:
                self._report(_MISSING[other[0]], refs, f"barcode:{barcode}", troubled=refs)

    def report_missing_skus(self) -> None:
        """Report the products in the domain that have variants without a SKU, or no variants in the domain."""
        for ref, product in self.products.items():
            lacking = [one for one in self._list_open(ref) if not self.variants[one].keys.sku]
            if lacking:
                self._report(_MISSING[ref[0]], lacking, troubled=lacking)
            elif product.is_in_domain and not (ref in self.stored or ref in self.named or self._is_usable(ref)):
                self._report(_MISSING[ref[0]], (), troubled=(), products=[ref])

    def group_products(self) -> list[list[_Ref]]:
        """Return the products in groups: those that matches of their variants, or stored ones, join."""
        neighbours: dict[_Ref, set[_Ref]] = {ref: set() for ref in self.products}
        for ref, partner in self.partners.items():
            neighbours[self.owners[ref]].add(self.owners[partner])
        for ref, partner in self.stored.items():
            neighbours[ref].add(partner)
        return [sorted(group) for group in group_connected(neighbours) if len(group) > 1]

    def build_pairs(self, group: list[_Ref]) -> list[ProductMatch]:
        """Return the pairs of a group: it is one, or it has stored ones and the other products are ambiguous."""
        if len(group) == 2:
            return [self._build_pair(*sorted(group, key=lambda ref: ref[0] is Side.ODOO))]
        crossing = [
            ref
            for product in group
            for ref in self._list_variants(product)
            if ref in self.partners and self.stored.get(product) != self.owners[self.partners[ref]]
        ]
        for ref in crossing:
            del self.partners[ref]
        self._report(MatchReason.AMBIGUOUS, crossing, troubled=crossing, products=group)
        stored = (ref for ref in group if ref[0] is Side.SHOPIFY and ref in self.stored)
        return [self._build_pair(ref, self.stored[ref]) for ref in stored]

    def list_unmatched(self, side: Side, pairs: Iterable[ProductMatch]) -> tuple[str, ...]:
        """Return the ids of the side's products that may be made on the other side."""
        paired = {pair.shopify if side is Side.SHOPIFY else pair.odoo for pair in pairs}
        candidates = (ref for ref, one in self.products.items() if ref[0] is side and one.is_in_domain)
        return tuple(sorted(ref[1] for ref in candidates if ref not in self.named and ref[1] not in paired))

    def _keep(self, match: StoredMatch) -> None:
        shopify, odoo = (Side.SHOPIFY, match.shopify), (Side.ODOO, match.odoo)
        if not {shopify, odoo} <= self.products.keys():
            return
        self.stored |= {shopify: odoo, odoo: shopify}
        for shopify_id, odoo_id in match.variants.items():
            one, other = (Side.SHOPIFY, shopify_id), (Side.ODOO, odoo_id)
            if self.owners.get(one) == shopify and self.owners.get(other) == odoo:
                self._join(one, other, "stored")

    def _join(self, one: _Ref, other: _Ref, key: str) -> None:
        self.partners |= {one: other, other: one}
        self.reasons |= {one: key, other: key}

    def _group_by(self, keys: Mapping[_Ref, str | None]) -> list[tuple[str, list[_Ref]]]:
        groups: dict[str, list[_Ref]] = defaultdict(list)
        for ref, key in keys.items():
            if key:
                groups[key].append(ref)
        return sorted((key, sorted(refs)) for key, refs in groups.items())

    def _report(
        self,
        reason: MatchReason,
        refs: Collection[_Ref],
        key: str = "",
        *,
        troubled: Collection[_Ref],
        products: Collection[_Ref] = (),
    ) -> None:
        """Note that the variants `troubled` have a problem, and list it if one of them is in the domain."""
        owners = {*products, *(self.owners[ref] for ref in refs)}
        self.troubled.update(troubled)
        concerned = [self._is_in_domain(ref) for ref in troubled]
        concerned = concerned or [self.products[ref].is_in_domain for ref in owners]
        if any(concerned):
            self.named |= owners
            self.problems.append(MatchProblem(reason, _list_ids(owners), _list_ids(refs), key))

    def _list_variants(self, product: _Ref) -> list[_Ref]:
        return [(product[0], one.id) for one in self.products[product].variants]

    def _list_open(self, product: _Ref) -> list[_Ref]:
        """Return the product's variants in the domain that have neither a partner nor a problem."""
        refs = (ref for ref in self._list_variants(product) if self._is_in_domain(ref))
        return [ref for ref in refs if ref not in self.partners and ref not in self.troubled]

    def _is_usable(self, product: _Ref) -> bool:
        """Return whether a variant of the product is in the domain or has a partner."""
        return any(ref in self.partners or self._is_in_domain(ref) for ref in self._list_variants(product))

    def _is_in_domain(self, ref: _Ref) -> bool:
        return self.variants[ref].is_in_domain and self.products[self.owners[ref]].is_in_domain

    def _build_pair(self, shopify: _Ref, odoo: _Ref) -> ProductMatch:
        matched = [
            VariantMatch(ref[1], self.partners[ref][1], self.reasons[ref])
            for ref in self._list_variants(shopify)
            if ref in self.partners
        ]
        unmatched = {ref[0]: tuple(sorted(one for _, one in self._list_open(ref))) for ref in (shopify, odoo)}
        variants = tuple(sorted(matched, key=lambda match: match.shopify))
        return ProductMatch(shopify[1], odoo[1], variants, shopify in self.stored, unmatched)


_MISSING = {Side.SHOPIFY: MatchReason.SHOPIFY_MISSING_SKU, Side.ODOO: MatchReason.ODOO_MISSING_SKU}


def _list_ids(refs: Collection[_Ref]) -> dict[Side, tuple[str, ...]]:
    return {side: tuple(sorted(one for of_side, one in refs if of_side is side)) for side in Side}


def _sort_problem(problem: MatchProblem) -> tuple[str, str, list[tuple[str, ...]]]:
    return problem.reason, problem.key, [*problem.products.values(), *problem.variants.values()]
