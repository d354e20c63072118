"""Finds which products and variants of both sides are the same thing: by stored pairs, then SKU, then barcode.

Nothing is guessed: a key that more than one record of a side has matches none of them. Products pair through their
variants; one whose variants lead to two products is ambiguous. The result does not depend on the order of the
arguments, and is the same mirrored when the sides are exchanged. A set of products that shares no key with any other
product (of either side) may be matched alone, with the same result.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from linking.records import LinkedRecord, MatchKeys, Side


class MatchReason(StrEnum):
    """Why records could not be matched: reason codes of a pair."""

    AMBIGUOUS = "ambiguous_match"
    SHOPIFY_MISSING_SKU = "shopify_missing_sku"
    ODOO_MISSING_SKU = "odoo_missing_sku"


@dataclass(frozen=True)
class VariantKeys:
    """A variant of a candidate: its id and keys."""

    id: str
    keys: MatchKeys


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
    return ProductKeys(record.id, tuple(VariantKeys(one.id, one.keys) for one in record.children), record.is_in_domain)


def match_products(
    shopify: Iterable[ProductKeys], odoo: Iterable[ProductKeys], stored: Iterable[StoredMatch] = ()
) -> MatchResult:
    """Match the products of both sides.

    A stored match stays while both of its records are there; a record of it that is missing here is left out. The keys
    of stored variants count for uniqueness: a new record with the SKU of a paired one is ambiguous.
    """
    raise NotImplementedError
