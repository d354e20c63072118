"""Works out how the stored pairs of records change with a result of matching.

A pair stays as long as both records are there. When one is gone, the pair is unlinked and kept: its other record is not
exported again, while a new record with the same key is matched anew. A record without a counterpart is a pair with the
id of one side alone, so that it is listed and can be exported. Once it is matched it stays the same pair, with what was
written to make its counterpart.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from linking.matching import MatchResult, ProductMatch, StoredMatch
from linking.records import PRODUCTS, VARIANTS, Side

LINKED, UNLINKED = "linked", "unlinked"
MISSING = {Side.SHOPIFY: "missing_in_shopify", Side.ODOO: "missing_in_odoo"}
"""The reason of a record without a counterpart, by the side that lacks it."""
GONE = {Side.SHOPIFY: "gone_in_shopify", Side.ODOO: "gone_in_odoo"}
"""The reason of a pair of which one record is gone, by its side."""


@dataclass(frozen=True)
class StoredPair:
    """A pair as it is stored. `product_pair` is that of the products of two variants; None for products."""

    id: UUID
    resource: str
    product_pair: UUID | None
    shopify_id: str | None
    odoo_id: str | None
    state: str
    reason: str | None = None

    @property
    def is_unlinked(self) -> bool:
        """Whether the pair lacks a record, now or since it was linked."""
        return self.state == UNLINKED

    def get_id(self, side: Side) -> str | None:
        """Return the id of the record of this side, or None if the pair has none."""
        return self.shopify_id if side is Side.SHOPIFY else self.odoo_id

    def list_records(self) -> list[tuple[Side, str]]:
        """Return the ids of the records that the pair has, each with its side."""
        return [(side, record) for side in Side if (record := self.get_id(side)) is not None]


@dataclass
class PairChanges:
    """How stored pairs change, in this order: deleted, unlinked (with the reason), linked again, completed with the
    record that was missing, and inserted."""

    deleted: list[UUID] = field(default_factory=list)
    unlinked: dict[UUID, str] = field(default_factory=dict)
    relinked: list[UUID] = field(default_factory=list)
    completed: list[StoredPair] = field(default_factory=list)
    inserted: list[StoredPair] = field(default_factory=list)


@dataclass(frozen=True)
class _Wanted:
    """The pairs that there should be among some records: both ids, or one of a record without a counterpart."""

    matched: Collection[tuple[str, str]]
    single: Mapping[Side, Collection[str]]
    existing: Mapping[Side, Collection[str]]


def list_stored_matches(pairs: Iterable[StoredPair]) -> Iterator[StoredMatch]:
    """Yield the linked products among the stored pairs, with their linked variants."""
    products = dict[UUID, tuple[str, str]]()
    variants = dict[UUID, dict[str, str]]()
    for pair in pairs:
        if pair.is_unlinked or pair.shopify_id is None or pair.odoo_id is None:
            continue
        if pair.product_pair is None:
            products[pair.id] = (pair.shopify_id, pair.odoo_id)
        else:
            variants.setdefault(pair.product_pair, {})[pair.shopify_id] = pair.odoo_id
    for pair_id, (shopify, odoo) in products.items():
        yield StoredMatch(shopify, odoo, variants.get(pair_id, {}))


def change_pairs(
    stored: Collection[StoredPair],
    result: MatchResult,
    products: Mapping[Side, Collection[str]],
    variants: Mapping[Side, Collection[str]],
) -> PairChanges:
    """Return how the `stored` pairs of some products change with the result of matching these products.

    `products` and `variants` are the ids of all of them that exist, by side.
    """
    changes = PairChanges()
    matches = {(match.shopify, match.odoo): match for match in result.pairs}
    wanted = _Wanted(matches, {side: result.unmatched.get(side, ()) for side in Side}, products)
    kept = _change(changes, [pair for pair in stored if pair.product_pair is None], wanted, PRODUCTS, None)
    of_product = dict[UUID, list[StoredPair]]()
    for pair in stored:
        if pair.product_pair is not None and pair.product_pair not in changes.deleted:
            of_product.setdefault(pair.product_pair, []).append(pair)
    for key, pair_id in kept.items():
        _change(changes, of_product.pop(pair_id, []), _want_variants(matches[key], variants), VARIANTS, pair_id)
    for pair_id, left in of_product.items():
        reason = changes.unlinked.get(pair_id)
        if reason is not None:
            changes.unlinked |= {pair.id: reason for pair in left if not pair.is_unlinked}
    return changes


def _want_variants(match: ProductMatch, existing: Mapping[Side, Collection[str]]) -> _Wanted:
    matched = {(one.shopify, one.odoo) for one in match.variants}
    return _Wanted(matched, {side: match.unmatched.get(side, ()) for side in Side}, existing)


def _change(
    changes: PairChanges, stored: Iterable[StoredPair], wanted: _Wanted, resource: str, product_pair: UUID | None
) -> dict[tuple[str, str], UUID]:
    """Add how the pairs of one resource change; return the ids of all matched ones by both records."""
    matched, single = dict[tuple[str, str], UUID](), set[tuple[Side, str]]()
    incomplete = dict[tuple[Side, str], StoredPair]()
    in_match = {(side, record) for pair in wanted.matched for side, record in zip(Side, pair, strict=True)}
    for pair in stored:
        both = (pair.shopify_id, pair.odoo_id)
        if both in wanted.matched and pair.shopify_id is not None and pair.odoo_id is not None:
            matched[pair.shopify_id, pair.odoo_id] = pair.id
            if pair.is_unlinked:
                changes.relinked.append(pair.id)
        elif _is_kept(changes, pair, wanted, in_match):
            single.update(pair.list_records())
        else:
            changes.deleted.append(pair.id)
            if len(pair.list_records()) == 1:
                incomplete[pair.list_records()[0]] = pair
    for both_ids in sorted(wanted.matched):
        if both_ids not in matched:
            pair = StoredPair(uuid4(), resource, product_pair, *both_ids, LINKED)
            present = next((incomplete[one] for one in pair.list_records() if one in incomplete), None)
            if present is None:
                changes.inserted.append(pair)
            else:
                pair = replace(pair, id=present.id)
                changes.deleted.remove(pair.id)
                changes.completed.append(pair)
            matched[both_ids] = pair.id
    for side, records in wanted.single.items():
        for record in sorted(set(records)):
            if (side, record) not in single:
                shopify, odoo = (record, None) if side is Side.SHOPIFY else (None, record)
                pair = StoredPair(uuid4(), resource, product_pair, shopify, odoo, UNLINKED, MISSING[side.other])
                changes.inserted.append(pair)
    return matched


def _is_kept(changes: PairChanges, pair: StoredPair, wanted: _Wanted, in_match: Collection[tuple[Side, str]]) -> bool:
    """Return whether a pair that is not matched stays, and unlink it if one of its records is gone."""
    ids = dict(pair.list_records())
    if any((side, record) in in_match for side, record in ids.items()):
        return False
    gone = [side for side, record in ids.items() if record not in wanted.existing[side]]
    if len(gone) == len(ids):
        return False
    if len(ids) == 1:
        return all(record in wanted.single[side] for side, record in ids.items())
    if gone and not pair.is_unlinked:
        changes.unlinked[pair.id] = GONE[gone[0]]
    return True
