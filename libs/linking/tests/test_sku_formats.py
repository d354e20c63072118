"""A shop's SKU field is read and written in one of two formats."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from linking.records import SkuFormat
from linking.sku_formats import MissingSkuError, ParsedSku, format_sku, parse_sku

PARTS = st.text("AB1- \t", max_size=8)


@pytest.mark.parametrize(
    ("text", "sku", "place"),
    [
        ("SKU1 - Bin", "SKU1", "Bin"),
        ("SKU1 Bin", "SKU1", "Bin"),
        ("SKU1", "SKU1", ""),
        ("  SKU1  ", "SKU1", ""),
        ("A - B - C", "A", "B - C"),
        ("A B - C", "A B", "C"),
        ("SKU - ", "SKU", ""),
        ("A-1", "A-1", ""),
        ("A -B", "A", "-B"),
        ("A  B C", "A", "B C"),
        ("  A - B  ", "A", "B"),
    ],
)
def test_a_field_with_bins_is_split_once(text: str, sku: str, place: str) -> None:
    assert parse_sku(text, SkuFormat.SKU_BIN) == ParsedSku(sku, place)


@pytest.mark.parametrize("text", [None, "", "   ", "\t"])
@pytest.mark.parametrize("sku_format", SkuFormat)
def test_an_empty_field_has_no_sku(text: str | None, sku_format: SkuFormat) -> None:
    with pytest.raises(MissingSkuError):
        parse_sku(text, sku_format)


@pytest.mark.parametrize("text", [" - X", " - ", "   - X"])
def test_a_bin_without_a_sku_is_an_error(text: str) -> None:
    with pytest.raises(MissingSkuError):
        parse_sku(text, SkuFormat.SKU_BIN)


def test_a_plain_field_is_the_sku_with_its_blanks() -> None:
    assert parse_sku(" A - B ", SkuFormat.PLAIN) == ParsedSku("A - B")
    assert format_sku(" A - B ", "ignored", SkuFormat.PLAIN) == "A - B"


@pytest.mark.parametrize(("place", "text"), [("Bin", "SKU1 - Bin"), ("", "SKU1"), (None, "SKU1"), (" ", "SKU1")])
def test_a_field_without_a_bin_is_the_sku_alone(place: str | None, text: str) -> None:
    assert format_sku("SKU1", place, SkuFormat.SKU_BIN) == text


def test_a_sku_that_would_be_read_differently_is_not_written() -> None:
    with pytest.raises(ValueError, match="differently"):
        format_sku("A B", "", SkuFormat.SKU_BIN)
    with pytest.raises(MissingSkuError):
        format_sku(" ", "Bin", SkuFormat.SKU_BIN)


@given(PARTS, PARTS, st.sampled_from(SkuFormat))
def test_what_is_written_is_read_back(sku: str, place: str, sku_format: SkuFormat) -> None:
    try:
        text = format_sku(sku, place, sku_format)
    except ValueError:
        assume(False)
    assert parse_sku(text, sku_format) == ParsedSku(
        sku.strip(), place.strip() if sku_format is SkuFormat.SKU_BIN else ""
    )


@given(PARTS, st.sampled_from(SkuFormat))
def test_what_is_read_and_written_is_read_the_same(text: str, sku_format: SkuFormat) -> None:
    try:
        once = parse_sku(text, sku_format)
        written = format_sku(once.sku, once.bin, sku_format)
    except ValueError:
        assume(False)
    assert parse_sku(written, sku_format) == once
