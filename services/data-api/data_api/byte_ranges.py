"""Ranges of bytes that a request asks for (RFC 9110, section 14)."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*", re.ASCII | re.IGNORECASE)


class ByteRange(NamedTuple):
    """The bytes from `start` up to `end`, which is not part of it, of a content of `size` bytes."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """The value of the header `Content-Range`."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


class UnsatisfiableRangeError(Exception):
    """Raised when the content has none of the bytes that are asked for."""


def parse_range(header: str, size: int) -> ByteRange | None:
    """Return the range in a header `Range` for a content of `size` bytes; None where the header is to be ignored.

    It is ignored where it is malformed, has another unit, or asks for several ranges: the whole content is then the
    answer. Raises `UnsatisfiableRangeError` when the range begins behind the end.
    """
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(size - int(suffix), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= end:
        raise UnsatisfiableRangeError
    return ByteRange(start, end, size)
