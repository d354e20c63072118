"""What a request says of versions, encodings, fields and places in lists."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.feed_cursors import FeedCursor
from data_api.content_encodings import choose_encoding
from data_api.entity_tags import is_none_match, is_range_valid
from data_api.field_selection import parse_fields, select_fields
from data_api.list_cursors import ListCursor, build_binding

REACHED = FeedCursor(UUID(int=7), 3, 12)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"abc"', False),
        ('W/"abc"', False),
        ("*", False),
        ('"x", "abc"', False),
        ('"x","y" , W/"abc"', False),
        ('"abc-gzip"', True),
        ("abc", True),
        ('"abc', True),
        ("", True),
    ],
)
def test_a_version_is_compared_weakly_with_all_that_are_named(header: str, expected: bool) -> None:
    assert is_none_match(header, "abc") is expected


def test_a_range_goes_with_one_version_only() -> None:
    date = "Sun, 29 Nov 2026 07:19:03 GMT"
    assert is_range_valid(None, "abc", date)
    assert is_range_valid('"abc"', "abc", date)
    assert is_range_valid(date, "abc", date)
    assert not is_range_valid('W/"abc"', "abc", date)
    assert not is_range_valid('"abd"', "abc", date)
    assert not is_range_valid("Sun, 29 Nov 2026 07:19:04 GMT", "abc", date)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.9", "gzip"),
        ("zstd;q=0, gzip;q=0", "identity"),
        ("identity, gzip;q=0.5", "identity"),
        ("*", "zstd"),
        ("*;q=0.5, zstd;q=0", "gzip"),
        ("identity;q=0, *;q=0", "identity"),
        ("br", "identity"),
        ("GZIP ; q=0.3", "gzip"),
        ("gzip;q=2", "identity"),
        (",,gzip", "gzip"),
    ],
)
def test_the_encoding_is_the_one_of_the_greatest_weight(header: str | None, expected: str) -> None:
    assert choose_encoding(header, ("zstd", "gzip")) == expected


@given(st.text(max_size=60))
def test_any_accept_encoding_is_answered(header: str) -> None:
    assert choose_encoding(header, ("zstd", "gzip")) in ("zstd", "gzip", "identity")


def test_fields_are_cut_out_at_any_depth() -> None:
    record = {
        "title": "Shirt",
        "status": "active",
        "variants": [{"price": "1", "sku": "a"}, {"price": "2"}],
        "seo": None,
    }
    selected = select_fields(record, parse_fields("title,variants.price,variants.sku,seo.title,missing"))
    assert selected == {"title": "Shirt", "variants": [{"price": "1", "sku": "a"}, {"price": "2"}], "seo": None}


@pytest.mark.parametrize("text", ["variants,variants.price", "variants.price,variants"])
def test_a_whole_field_wins_over_fields_of_it(text: str) -> None:
    record = {"variants": [{"price": "1", "sku": "a"}]}
    assert select_fields(record, parse_fields(text)) == record


@pytest.mark.parametrize("text", ["", "a,", "a..b", ".a", ",".join("a" * 101), ".".join("a" * 11)])
def test_malformed_fields_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names of fields"):
        parse_fields(text)


# No id has a NUL, which Postgres cannot store.
@given(after=st.text(st.characters(exclude_characters="\0", codec="utf-8")) | st.integers(0, 2**63 - 1))
def test_a_cursor_is_good_for_its_own_list_only(after: str | int) -> None:
    binding = build_binding("shop:a", "products", {"order": "id"})
    text = ListCursor(REACHED, after).encode(binding)
    assert ListCursor.decode(text, binding) == ListCursor(REACHED, after)
    for other in (
        build_binding("shop:b", "products", {"order": "id"}),
        build_binding("shop:a", "orders", {"order": "id"}),
        build_binding("shop:a", "products", {"order": "sequence"}),
    ):
        with pytest.raises(ValueError, match="another list"):
            ListCursor.decode(text, other)


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda content: content.decode("latin-1")))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        ListCursor.decode(text, "0" * 16)


@pytest.mark.parametrize("after", [None, True, -1, 2**63, 1.5, ["a"]])
def test_a_cursor_of_another_kind_is_refused(after: object) -> None:
    text = ListCursor(REACHED, after).encode("0" * 16)  # type: ignore[arg-type] # as a stranger may make one up
    with pytest.raises(ValueError, match="cursor"):
        ListCursor.decode(text, "0" * 16)
