"""Keeps what was written to a record until the change feed has a reading of it that is newer.

A page of the feed may have a reading from before the write: its values would look like changes by somebody else, and be
written back. So what a writer has read back lies over the fields that it has written, until a reading comes that was
made after it. The platform's own time of the last change tells; where both are equal, because platforms count in
seconds, the later reading counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from linking.records import LinkedRecord, MatchKeys, Value

_OWN = ""
"""The key of what was written to the product itself; variants have theirs by id."""


@dataclass(frozen=True)
class WrittenValues:
    """What was written to a product or a variant, as it was read back.

    `version` is the time at which the platform last changed the product, and `read_at` (ms) that of the reading.
    """

    values: Mapping[str, Value]
    version: datetime | None
    read_at: int


Written = Mapping[str, WrittenValues]
"""What was written to a product (its own by an empty key), and to its variants by their ids."""


def note_written(written: Written, variant: str | None, new: WrittenValues) -> dict[str, WrittenValues]:
    """Return `written` with new values, of a variant or (None) of the product itself."""
    key = variant or _OWN
    before = written.get(key)
    values = {**before.values, **new.values} if before else new.values
    return {**written, key: replace(new, values=values)}


def drop_seen(written: Written, updated_at: datetime | None, read_at: int) -> dict[str, WrittenValues]:
    """Return what of `written` a reading of the record may not have seen yet.

    `updated_at` is the platform's time of the last change in this reading, and `read_at` (ms) when it was made.
    """
    return {key: one for key, one in written.items() if not _has_seen(one, updated_at, read_at)}


def apply_written(record: LinkedRecord, written: Written) -> LinkedRecord:
    """Return the record with the written values in the place of its own, in fields that it tells."""
    if not written:
        return record
    children = tuple(_replace(child, written.get(child.id)) for child in record.children)
    return replace(_replace(record, written.get(_OWN)), children=children)


def encode_written(written: Written) -> dict[str, Any]:
    """Return what was written as JSON."""
    return {
        key: {
            "values": dict(one.values),
            "version": one.version.isoformat() if one.version else None,
            "read_at": one.read_at,
        }
        for key, one in written.items()
    }


def decode_written(content: Mapping[str, Any]) -> dict[str, WrittenValues]:
    """Return what `encode_written` wrote."""
    return {
        key: WrittenValues(
            one["values"], datetime.fromisoformat(one["version"]) if one["version"] else None, one["read_at"]
        )
        for key, one in content.items()
    }


def _has_seen(one: WrittenValues, updated_at: datetime | None, read_at: int) -> bool:
    if updated_at is None or one.version is None or updated_at == one.version:
        return read_at >= one.read_at
    return updated_at > one.version


def _replace(record: LinkedRecord, one: WrittenValues | None) -> LinkedRecord:
    if one is None:
        return record
    values = {**record.values, **{name: value for name, value in one.values.items() if name in record.values}}
    keys = record.keys
    if record.parent is not None:
        keys = MatchKeys(_get_key(values, "sku", keys.sku), _get_key(values, "barcode", keys.barcode))
    return replace(record, values=values, keys=keys)


def _get_key(values: Mapping[str, Value], name: str, known: str | None) -> str | None:
    return (values[name] or None) if name in values else known
