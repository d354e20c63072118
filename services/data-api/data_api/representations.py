"""The JSON of records and changes. Bodies are put into it as the bytes that are stored."""

from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from contracts.events import SyncState
from data_api.field_selection import FieldTree, select_fields

_OPTIONS = orjson.OPT_UTC_Z


class Fields(Protocol):
    """The columns of a row by name."""

    def __getitem__(self, name: str) -> Any:
        """Return the value of a column."""


def encode_json(value: Any) -> bytes:
    """Return JSON with times in UTC as RFC 3339."""
    return orjson.dumps(value, option=_OPTIONS)


def build_time(milliseconds: int | None) -> datetime | None:
    """Return the time at these milliseconds since 1970, None for None."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def build_data(body: bytes | None, fields: FieldTree | None) -> Any:
    """Return the value of `data`: the stored body untouched, or cut to `fields`; None for a deleted record."""
    if body is None:
        return None
    return orjson.Fragment(body) if fields is None else select_fields(orjson.loads(body), fields)


def build_record(row: Fields, fields: FieldTree | None = None) -> dict[str, Any]:
    """Return the representation of a record from a row of the store."""
    return {
        "id": row["id"],
        "resource": row["resource"],
        "sequence": row["sequence"],
        "updated_at": row["updated_at"],
        "read_at": build_time(row["read_at"]),
        "first_seen_at": row["first_seen_at"],
        "deleted": row["is_deleted"],
        "data": build_data(row["body"], fields),
    }


def build_change(row: Fields, after: int, *, with_data: bool = True) -> dict[str, Any]:
    """Return the representation of a change from a row of the store, for a reader who stood at the number `after`.

    `create` says that the record did not exist there.
    """
    operation = "delete" if row["is_deleted"] else "create" if row["created_sequence"] > after else "update"
    change = {"sequence": row["sequence"], "resource": row["resource"], "id": row["id"], "operation": operation}
    return {**change, "data": build_data(row["body"], None)} if with_data else change


def build_sync(connection: str, sync: SyncState) -> dict[str, Any]:
    """Return the representation of a sync."""
    return {
        "sync_id": sync.sync_id,
        "connection": connection,
        "mode": sync.mode,
        "cause": sync.cause,
        "state": sync.state,
        "requested_at": build_time(sync.requested_at),
        "started_at": build_time(sync.started_at),
        "finished_at": build_time(sync.finished_at),
        "records": sync.records,
        "changed": sync.changed,
        "deleted": sync.deleted,
        "sequence": sync.sequence,
        "reason": sync.reason,
        "coalesced_into": sync.coalesced_into,
    }
