"""Canonical bytes: sorted keys, no spare blanks, non-ASCII unescaped, so that equal data gives equal bytes."""

import hashlib
from typing import Any

import orjson


def canonical(value: Any) -> bytes:
    """The one way in which `value` is written as JSON (UTF-8)."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def content_hash(body: bytes) -> bytes:
    """SHA-256 of canonical bytes, 32 bytes."""
    return hashlib.sha256(body).digest()
