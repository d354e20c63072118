"""Ranges of bytes, compared with a plain reading of RFC 9110."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_api.byte_ranges import ByteRange, UnsatisfiableRangeError, parse_range

SIZES = st.integers(0, 50)
NUMBERS = st.integers(0, 60)


@given(first=NUMBERS, last=st.none() | NUMBERS, size=SIZES)
def test_a_range_selects_the_bytes_from_first_to_last(first: int, last: int | None, size: int) -> None:
    content = bytes(range(size))
    header = f"bytes={first}-{'' if last is None else last}"
    if last is not None and last < first:
        assert parse_range(header, size) is None
        return
    expected = content[first:] if last is None else content[first : last + 1]
    if not expected:
        with pytest.raises(UnsatisfiableRangeError):
            parse_range(header, size)
        return
    found = parse_range(header, size)
    assert found is not None and content[found.start : found.end] == expected
    assert found.content_range == f"bytes {first}-{first + len(expected) - 1}/{size}"


@given(length=NUMBERS, size=SIZES)
def test_a_suffix_selects_the_last_bytes(length: int, size: int) -> None:
    expected = bytes(range(size))[-length:] if length else b""
    if not expected:
        with pytest.raises(UnsatisfiableRangeError):
            parse_range(f"bytes=-{length}", size)
        return
    found = parse_range(f"bytes=-{length}", size)
    assert found is not None and bytes(range(size))[found.start : found.end] == expected


@given(header=st.text(max_size=40) | st.from_regex(r"bytes=[0-9 ,\-\t]*", fullmatch=True), size=SIZES)
def test_any_header_is_a_range_within_the_content_or_ignored(header: str, size: int) -> None:
    try:
        found = parse_range(header, size)
    except UnsatisfiableRangeError:
        assert re.match(r"bytes=", header, re.IGNORECASE)
        return
    assert found is None or (found.size == size and 0 <= found.start < found.end <= size)


@pytest.mark.parametrize(
    "header", ["items=0-1", "bytes=0-1,3-4", "bytes=a-b", "bytes=-", "bytes", "bytes=5-2", "bytes=１-2"]
)
def test_what_is_no_single_range_is_ignored(header: str) -> None:
    assert parse_range(header, 10) is None


def test_the_unit_may_have_any_case() -> None:
    assert parse_range("Bytes= 2-4 ", 10) == ByteRange(2, 5, 10)
