"""Products and variants are matched by stored pairs, SKUs and barcodes; nothing is guessed."""

from linking.matching import (
    MatchProblem,
    MatchReason,
    MatchResult,
    ProductKeys,
    StoredMatch,
    VariantKeys,
    build_product_keys,
    match_products,
)
from linking.records import PRODUCTS, VARIANTS, LinkedRecord, MatchKeys, Side

SHOPIFY, ODOO = Side.SHOPIFY, Side.ODOO


def build_product(
    product: str, *skus: str | None, barcodes: tuple[str, ...] = (), in_domain: bool = True
) -> ProductKeys:
    """A product whose variants are named after it: `P` has the variants `P1`, `P2`."""
    keys = [MatchKeys(sku, dict(enumerate(barcodes)).get(number)) for number, sku in enumerate(skus)]
    variants = (VariantKeys(f"{product}{number}", one) for number, one in enumerate(keys, 1))
    return ProductKeys(product, tuple(variants), in_domain)


def list_pairs(result: MatchResult) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    return [
        (pair.shopify, pair.odoo, [(one.shopify, one.odoo, one.key) for one in pair.variants]) for pair in result.pairs
    ]


def list_problems(result: MatchResult) -> list[tuple[MatchReason, tuple[str, ...], tuple[str, ...]]]:
    return [(one.reason, one.variants[SHOPIFY], one.variants[ODOO]) for one in result.problems]


def test_one_sku_on_each_side_is_a_pair() -> None:
    result = match_products([build_product("P", "a", "b")], [build_product("T", "b", "a")])
    assert list_pairs(result) == [("P", "T", [("P1", "T2", "sku"), ("P2", "T1", "sku")])]
    assert result.problems == ()
    assert result.unmatched == {SHOPIFY: (), ODOO: ()}


def test_skus_are_told_apart_by_case() -> None:
    assert match_products([build_product("P", "a")], [build_product("T", "A")]).pairs == ()


def test_a_barcode_matches_where_the_other_side_has_not_the_sku() -> None:
    result = match_products([build_product("P", "a", barcodes=("1",))], [build_product("T", "x", barcodes=("1",))])
    assert list_pairs(result) == [("P", "T", [("P1", "T1", "barcode")])]


def test_a_sku_counts_more_than_a_barcode() -> None:
    shopify = [build_product("P", "a", barcodes=("1",))]
    odoo = [build_product("T", "a", barcodes=("2",)), build_product("U", "b", barcodes=("1",))]
    result = match_products(shopify, odoo)
    assert list_pairs(result) == [("P", "T", [("P1", "T1", "sku")])]
    # The barcode leads to a variant that is taken.
    assert list_problems(result) == [(MatchReason.AMBIGUOUS, ("P1",), ("U1",))]


def test_a_sku_that_several_records_of_a_side_have_is_ambiguous() -> None:
    result = match_products([build_product("P", "a"), build_product("Q", "a")], [build_product("T", "a")])
    assert result.pairs == ()
    (problem,) = result.problems
    assert problem == MatchProblem(
        MatchReason.AMBIGUOUS, {SHOPIFY: ("P", "Q"), ODOO: ("T",)}, {SHOPIFY: ("P1", "Q1"), ODOO: ("T1",)}, "sku:a"
    )
    assert result.unmatched == {SHOPIFY: (), ODOO: ()}


def test_a_doubled_sku_is_not_made_on_the_other_side() -> None:
    result = match_products([build_product("P", "a"), build_product("Q", "a")], [])
    assert list_problems(result) == [(MatchReason.AMBIGUOUS, ("P1", "Q1"), ())]
    assert result.unmatched[SHOPIFY] == ()


def test_a_doubled_sku_does_not_fall_back_to_the_barcode() -> None:
    shopify = [build_product("P", "a", barcodes=("1",)), build_product("Q", "a", barcodes=("2",))]
    assert match_products(shopify, [build_product("T", "a", barcodes=("1",))]).pairs == ()


def test_a_barcode_that_several_records_of_a_side_have_is_ambiguous() -> None:
    shopify = [build_product("P", "a", barcodes=("1",)), build_product("Q", "b", barcodes=("1",))]
    result = match_products(shopify, [build_product("T", "x", barcodes=("1",))])
    assert result.pairs == ()
    assert list_problems(result) == [(MatchReason.AMBIGUOUS, ("P1", "Q1"), ("T1",))]


def test_a_barcode_that_only_one_side_has_is_no_problem() -> None:
    shopify = [build_product("P", "a", barcodes=("1",)), build_product("Q", "b", barcodes=("1",))]
    assert match_products(shopify, []) == MatchResult((), (), {SHOPIFY: ("P", "Q"), ODOO: ()})


def test_a_variant_without_a_sku_is_an_error_and_the_rest_goes_on() -> None:
    result = match_products(
        [build_product("P", "a", None), build_product("Q", None)], [build_product("T", "a"), build_product("U", None)]
    )
    assert list_pairs(result) == [("P", "T", [("P1", "T1", "sku")])]
    assert list_problems(result) == [
        (MatchReason.ODOO_MISSING_SKU, (), ("U1",)),
        (MatchReason.SHOPIFY_MISSING_SKU, ("P2",), ()),
        (MatchReason.SHOPIFY_MISSING_SKU, ("Q1",), ()),
    ]
    assert result.unmatched == {SHOPIFY: (), ODOO: ()}


def test_a_barcode_that_leads_to_a_record_without_a_sku_is_that_record_s_error() -> None:
    result = match_products([build_product("P", "a", barcodes=("1",))], [build_product("T", None, barcodes=("1",))])
    assert result.pairs == ()
    assert list_problems(result) == [(MatchReason.ODOO_MISSING_SKU, ("P1",), ("T1",))]
    assert result.unmatched == {SHOPIFY: (), ODOO: ()}


def test_a_product_whose_variants_lead_to_two_products_is_ambiguous() -> None:
    result = match_products([build_product("P", "a", "b")], [build_product("T", "a"), build_product("U", "b")])
    assert result.pairs == ()
    (problem,) = result.problems
    assert problem.reason is MatchReason.AMBIGUOUS
    assert problem.products == {SHOPIFY: ("P",), ODOO: ("T", "U")}
    assert problem.variants == {SHOPIFY: ("P1", "P2"), ODOO: ("T1", "U1")}
    assert result.unmatched == {SHOPIFY: (), ODOO: ()}


def test_variants_that_the_other_product_lacks_are_listed_with_the_pair() -> None:
    (pair,) = match_products([build_product("P", "a", "b")], [build_product("T", "a", "c")]).pairs
    assert pair.unmatched == {SHOPIFY: ("P2",), ODOO: ("T2",)}


def test_products_that_the_other_side_lacks_are_listed() -> None:
    result = match_products([build_product("P", "a")], [build_product("T", "b")])
    assert result.unmatched == {SHOPIFY: ("P",), ODOO: ("T",)}


def test_what_the_domain_excludes_is_matched_but_neither_missing_nor_an_error() -> None:
    odoo = [
        build_product("T", "a", in_domain=False),
        build_product("U", "b", in_domain=False),
        build_product("V", None, in_domain=False),
        ProductKeys("W", (), is_in_domain=False),
    ]
    result = match_products([build_product("P", "a")], odoo)
    assert list_pairs(result) == [("P", "T", [("P1", "T1", "sku")])]
    assert (result.problems, result.unmatched) == ((), {SHOPIFY: (), ODOO: ()})


def test_a_product_without_variants_has_no_sku() -> None:
    result = match_products([], [ProductKeys("T", ())])
    assert [(one.reason, one.products[ODOO]) for one in result.problems] == [(MatchReason.ODOO_MISSING_SKU, ("T",))]
    assert result.unmatched[ODOO] == ()


def test_an_archived_record_makes_a_sku_ambiguous_too() -> None:
    odoo = [build_product("T", "a"), build_product("U", "a", in_domain=False)]
    assert list_problems(match_products([build_product("P", "a")], odoo)) == [
        (MatchReason.AMBIGUOUS, ("P1",), ("T1", "U1"))
    ]


def test_ids_of_products_and_of_variants_may_be_the_same() -> None:
    """Odoo counts templates and variants apart."""
    odoo = [
        ProductKeys("1", (VariantKeys("2", MatchKeys("a")),)),
        ProductKeys("2", (VariantKeys("1", MatchKeys(None)),)),
        ProductKeys("3", (VariantKeys("3", MatchKeys("c")),)),
    ]
    result = match_products([build_product("P", "a")], odoo)
    assert list_pairs(result) == [("P", "1", [("P1", "2", "sku")])]
    assert result.unmatched[ODOO] == ("3",)


def test_a_stored_pair_stays_whatever_its_keys_are_now() -> None:
    stored = [StoredMatch("P", "T", {"P1": "T1"})]
    result = match_products([build_product("P", "new")], [build_product("T", None)], stored)
    assert list_pairs(result) == [("P", "T", [("P1", "T1", "stored")])]
    assert result.pairs[0].is_stored
    assert result.problems == ()


def test_new_variants_of_a_stored_pair_are_matched() -> None:
    stored = [StoredMatch("P", "T", {"P1": "T1"})]
    result = match_products([build_product("P", "a", "b")], [build_product("T", "a", "b")], stored)
    assert list_pairs(result) == [("P", "T", [("P1", "T1", "stored"), ("P2", "T2", "sku")])]


def test_a_new_record_with_the_sku_of_a_paired_one_is_ambiguous() -> None:
    stored = [StoredMatch("P", "T", {"P1": "T1"})]
    result = match_products([build_product("P", "a"), build_product("Q", "a")], [build_product("T", "a")], stored)
    assert list_pairs(result) == [("P", "T", [("P1", "T1", "stored")])]
    assert list_problems(result) == [(MatchReason.AMBIGUOUS, ("P1", "Q1"), ("T1",))]
    assert result.unmatched[SHOPIFY] == ()


def test_a_variant_that_leads_out_of_a_stored_pair_is_ambiguous_and_the_pair_stays() -> None:
    stored = [StoredMatch("P", "T", {"P1": "T1"})]
    result = match_products([build_product("P", "a", "b")], [build_product("T", "a"), build_product("U", "b")], stored)
    assert list_pairs(result) == [("P", "T", [("P1", "T1", "stored")])]
    assert list_problems(result) == [(MatchReason.AMBIGUOUS, ("P2",), ("U1",))]
    assert result.unmatched == {SHOPIFY: (), ODOO: ()}


def test_what_a_removed_record_was_paired_with_is_matched_anew() -> None:
    stored = [StoredMatch("gone", "T", {"gone1": "T1"})]
    result = match_products([build_product("P", "a")], [build_product("T", "a")], stored)
    assert list_pairs(result) == [("P", "T", [("P1", "T1", "sku")])]
    assert not result.pairs[0].is_stored


def test_a_linked_record_is_a_candidate_by_the_keys_of_its_variants() -> None:
    variants = (
        LinkedRecord(VARIANTS, "1", {}, MatchKeys("a", "123"), parent="9"),
        LinkedRecord(VARIANTS, "2", {}, MatchKeys("b"), parent="9", is_archived=True),
    )
    assert build_product_keys(LinkedRecord(PRODUCTS, "9", {}, children=variants)) == ProductKeys(
        "9", (VariantKeys("1", MatchKeys("a", "123")), VariantKeys("2", MatchKeys("b"), is_in_domain=False))
    )


def test_an_archived_variant_of_a_product_in_the_domain_is_neither_missing_nor_an_error() -> None:
    archived = VariantKeys("T2", MatchKeys(), is_in_domain=False)
    odoo = ProductKeys("T", (VariantKeys("T1", MatchKeys("a")), archived))
    result = match_products([build_product("P", "a")], [odoo])
    assert result.problems == ()
    assert result.pairs[0].unmatched == {SHOPIFY: (), ODOO: ()}


def test_a_draft_lists_exactly_what_is_missing_doubled_or_without_a_sku() -> None:
    """Of 500 products 20 are missing on each side; there are 5 doubled SKUs, and 3 products without one."""
    shopify = [build_product(f"P{number}", f"s{number}") for number in range(497)]
    shopify += [build_product(f"N{number}", None) for number in range(3)]
    odoo = [build_product(f"T{number}", f"s{number}") for number in range(20, 497)]
    odoo += [build_product(f"X{number}", f"x{number}") for number in range(20)]
    odoo += [build_product(f"D{number}", f"s{number}") for number in range(100, 105)]
    result = match_products(shopify, odoo)
    assert len(result.pairs) == 477 - 5
    assert set(result.unmatched[SHOPIFY]) == {f"P{number}" for number in range(20)}
    assert set(result.unmatched[ODOO]) == {f"X{number}" for number in range(20)}
    doubled = [one for one in result.problems if one.reason is MatchReason.AMBIGUOUS]
    assert [one.key for one in doubled] == [f"sku:s{number}" for number in range(100, 105)]
    missing = [one.products[SHOPIFY] for one in result.problems if one.reason is MatchReason.SHOPIFY_MISSING_SKU]
    assert missing == [("N0",), ("N1",), ("N2",)]
    assert len(result.problems) == 8
