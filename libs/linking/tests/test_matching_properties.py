"""Matching treats both sides alike, in any order, and what shares no key has no influence."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linking.groups import group_connected
from linking.matching import (
    MatchProblem,
    MatchReason,
    MatchResult,
    ProductKeys,
    ProductMatch,
    StoredMatch,
    VariantKeys,
    VariantMatch,
    match_products,
)
from linking.records import MatchKeys, Side

PROPERTY = settings(suppress_health_check=[HealthCheck.too_slow])
SHOPIFY, ODOO = Side.SHOPIFY, Side.ODOO
KEYS = st.builds(MatchKeys, st.sampled_from([*"abcdef", None]), st.sampled_from([*"1234", None, None]))


class Catalogues(NamedTuple):
    shopify: list[ProductKeys]
    odoo: list[ProductKeys]
    stored: list[StoredMatch]


@st.composite
def draw_products(draw: st.DrawFn, prefix: str) -> list[ProductKeys]:
    products = []
    for number in range(draw(st.integers(0, 4))):
        name = f"{prefix}{number}"
        keys = draw(st.lists(KEYS, max_size=3))
        is_in_domain = draw(st.booleans())
        variants = (VariantKeys(f"{name}-{at}", one, draw(st.booleans())) for at, one in enumerate(keys))
        products.append(ProductKeys(name, tuple(variants), is_in_domain))
    return products


@st.composite
def draw_catalogues(draw: st.DrawFn) -> Catalogues:
    shopify, odoo = draw(draw_products("P")), draw(draw_products("T"))
    count = draw(st.integers(0, min(len(shopify), len(odoo))))
    stored = []
    for one, other in zip(draw(st.permutations(shopify)), draw(st.permutations(odoo)), strict=False):
        if len(stored) < count:
            ids = [[variant.id for variant in product.variants] for product in (one, other)]
            variants = dict(list(zip(*ids, strict=False))[: draw(st.integers(0, 3))])
            stored.append(StoredMatch(one.id, other.id, variants))
    return Catalogues(shopify, odoo, stored)


def match(catalogues: Catalogues) -> MatchResult:
    return match_products(*catalogues)


def mirror_problem(problem: MatchProblem) -> MatchProblem:
    reasons = {
        MatchReason.SHOPIFY_MISSING_SKU: MatchReason.ODOO_MISSING_SKU,
        MatchReason.ODOO_MISSING_SKU: MatchReason.SHOPIFY_MISSING_SKU,
    }
    products, variants = ({side: ids[side.other] for side in Side} for ids in (problem.products, problem.variants))
    return replace(problem, reason=reasons.get(problem.reason, problem.reason), products=products, variants=variants)


def mirror_pair(pair: ProductMatch) -> ProductMatch:
    variants = sorted((VariantMatch(one.odoo, one.shopify, one.key) for one in pair.variants), key=lambda v: v.shopify)
    unmatched = {side: pair.unmatched[side.other] for side in Side}
    return ProductMatch(pair.odoo, pair.shopify, tuple(variants), pair.is_stored, unmatched)


def sort_by_text(items: Iterable[object]) -> list[object]:
    return sorted(items, key=repr)


def collect_keys(product: ProductKeys) -> set[tuple[str, str]]:
    skus = {("sku", one.keys.sku) for one in product.variants if one.keys.sku}
    return skus | {("barcode", one.keys.barcode) for one in product.variants if one.keys.barcode}


def split_by_keys(catalogues: Catalogues) -> list[Catalogues]:
    """The catalogues in parts that share neither a key nor a stored match."""
    names: dict[object, set[object]] = {}
    for product in (*catalogues.shopify, *catalogues.odoo):
        names.setdefault(product.id, set()).update(collect_keys(product))
        for key in collect_keys(product):
            names.setdefault(key, set()).add(product.id)
    for one in catalogues.stored:
        names[one.shopify].add(one.odoo)
        names[one.odoo].add(one.shopify)
    return [
        Catalogues(
            [product for product in catalogues.shopify if product.id in group],
            [product for product in catalogues.odoo if product.id in group],
            [one for one in catalogues.stored if one.shopify in group],
        )
        for group in group_connected(names)
    ]


@PROPERTY
@given(draw_catalogues())
def test_matching_is_the_same_in_a_mirror(catalogues: Catalogues) -> None:
    result = match(catalogues)
    stored = [StoredMatch(one.odoo, one.shopify, {b: a for a, b in one.variants.items()}) for one in catalogues.stored]
    mirrored = match_products(catalogues.odoo, catalogues.shopify, stored)
    assert sort_by_text(map(mirror_pair, result.pairs)) == sort_by_text(mirrored.pairs)
    assert sort_by_text(map(mirror_problem, result.problems)) == sort_by_text(mirrored.problems)
    assert {side: result.unmatched[side.other] for side in Side} == mirrored.unmatched


@PROPERTY
@given(draw_catalogues(), st.randoms(use_true_random=False))
def test_matching_does_not_depend_on_the_order(catalogues: Catalogues, random: object) -> None:
    def shuffle(items: list[ProductKeys]) -> list[ProductKeys]:
        shuffled = [replace(one, variants=tuple(_shuffle(one.variants))) for one in items]
        return list(_shuffle(shuffled))

    def _shuffle(items: Iterable[object]) -> list:  # type: ignore[type-arg]
        listed = list(items)
        random.shuffle(listed)  # type: ignore[attr-defined]
        return listed

    shuffled = match_products(shuffle(catalogues.shopify), shuffle(catalogues.odoo), _shuffle(catalogues.stored))
    assert shuffled == match(catalogues)


@PROPERTY
@given(draw_catalogues())
def test_what_shares_no_key_may_be_matched_alone(catalogues: Catalogues) -> None:
    whole, parts = match(catalogues), [match(part) for part in split_by_keys(catalogues)]
    assert sort_by_text(pair for part in parts for pair in part.pairs) == sort_by_text(whole.pairs)
    assert sort_by_text(problem for part in parts for problem in part.problems) == sort_by_text(whole.problems)
    for side in Side:
        assert sorted(one for part in parts for one in part.unmatched[side]) == list(whole.unmatched[side])


@PROPERTY
@given(draw_catalogues())
def test_every_record_has_one_place_in_the_result(catalogues: Catalogues) -> None:
    result = match(catalogues)
    for side, products in ((SHOPIFY, catalogues.shopify), (ODOO, catalogues.odoo)):
        paired = [getattr(pair, side) for pair in result.pairs]
        matched = [getattr(one, side) for pair in result.pairs for one in pair.variants]
        assert len(set(paired)) == len(paired) and len(set(matched)) == len(matched)
        named = {one for problem in result.problems for one in problem.products[side]}
        assert not set(result.unmatched[side]) & (named | set(paired))
        in_domain = {one.id for one in products if one.is_in_domain}
        assert in_domain <= {*paired, *named, *result.unmatched[side]}


@PROPERTY
@given(draw_catalogues())
def test_matching_again_with_what_was_matched_changes_nothing(catalogues: Catalogues) -> None:
    first = match(catalogues)
    stored = [
        StoredMatch(pair.shopify, pair.odoo, {one.shopify: one.odoo for one in pair.variants}) for pair in first.pairs
    ]
    again = match_products(catalogues.shopify, catalogues.odoo, stored)
    assert [(pair.shopify, pair.odoo, len(pair.variants)) for pair in again.pairs] == [
        (pair.shopify, pair.odoo, len(pair.variants)) for pair in first.pairs
    ]
    assert again.unmatched == first.unmatched


@PROPERTY
@given(draw_catalogues())
def test_stored_matches_stay(catalogues: Catalogues) -> None:
    pairs = {(pair.shopify, pair.odoo) for pair in match(catalogues).pairs if pair.is_stored}
    assert pairs == {(one.shopify, one.odoo) for one in catalogues.stored}
