"""Conditions that a request makes on the version of the answer (RFC 9110, section 13)."""

import re

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(rf"[ \t,]*(?:{_TAG.pattern}[ \t,]*)+")


def is_none_match(header: str, tag: str) -> bool:
    """Return whether a header `If-None-Match` does not name the version `tag` (without quotes).

    The comparison is the weak one, as it is for this header. A malformed header names nothing.
    """
    if header == f'"{tag}"':
        return False
    if header.strip() == "*":
        return False
    return _LIST.fullmatch(header) is None or all(match[2] != tag for match in _TAG.finditer(header))


def is_range_valid(if_range: str | None, tag: str, last_modified: str) -> bool:
    """Return whether a range may be answered: there is no `If-Range`, or it names this very version.

    A weak tag never does, nor does a date other than `last_modified`.
    """
    return if_range is None or if_range.strip() in (f'"{tag}"', last_modified)
