"""The answers of the plain routes, and the part of a document that is `data` in them."""

import time
from collections.abc import Mapping
from typing import Any

from contracts.events import ConnectionChanged
from data_api.representations import build_time, encode_json
from data_api.snapshot_versions import SnapshotVersion
from data_api.tables.syncs import SyncSummary

_ROWS_BEGIN, _ROWS_END = b'{"data":', b"}"


def find_data(size: int, head: bytes, tail: bytes, *, has_one_resource: bool) -> tuple[int, int]:
    """Return where `data` begins and ends in a document of `size` bytes that begins with `head` and ends with `tail`.

    For a connection with one resource it is the list of its rows, otherwise the whole document. The document is
    canonical JSON, so the list stands where it must.
    """
    if has_one_resource and head.startswith(_ROWS_BEGIN + b"[") and tail.endswith(b"]" + _ROWS_END):
        return len(_ROWS_BEGIN), size - len(_ROWS_END)
    return 0, size


def find_last_update(version: SnapshotVersion, summary: SyncSummary | None, *, is_latest: bool) -> int | None:
    """Return when (ms) the data was last known to be what the platform has.

    A sync that found nothing to change has confirmed the latest snapshot, but not an earlier one.
    """
    confirmed = summary.last_success_at if summary is not None and is_latest else None
    times = [at for at in (version.uploaded_at, confirmed) if at is not None]
    return max(times, default=None)


def compute_age_minutes(last_update: int | None, now: int) -> float | None:
    """Return the age in minutes, of times in ms, to a tenth; None if it is not known."""
    return None if last_update is None else round(max(now - last_update, 0) / 60_000, 1)


def build_prefix(
    version: SnapshotVersion, summary: SyncSummary | None, *, is_latest: bool, now: int, more: Mapping[str, Any]
) -> bytes:
    """Return the answer of `/fetch-data` up to `data`, whose value and a closing brace follow. `more` are fields."""
    last_update = find_last_update(version, summary, is_latest=is_latest)
    fields = {
        "status": "success",
        "connection": version.connection,
        "count": version.records,
        "last_updated": build_time(last_update),
        "cache_age_minutes": compute_age_minutes(last_update, now),
        "update_in_progress": is_updating(summary),
        **more,
    }
    return encode_json(fields)[:-1] + b',"data":'


def build_status(
    version: SnapshotVersion | None, summary: SyncSummary | None, connections: list[str], now: int
) -> bytes:
    """Return the answer of `/status`."""
    last_update = find_last_update(version, summary, is_latest=True) if version is not None else None
    return encode_json(
        {
            "api_status": "online",
            "cache_exists": version is not None,
            "cache_age_minutes": compute_age_minutes(last_update, now),
            "update_in_progress": is_updating(summary),
            # As C's `asctime` writes it.
            "timestamp": time.asctime(time.gmtime(now / 1000)),
            "last_success": build_time(summary.last_success_at if summary else None),
            "last_error": summary.last_error if summary else None,
            "next_update_at": build_time(summary.next_poll_at if summary else None),
            "connections": connections,
        }
    )


def is_updating(summary: SyncSummary | None) -> bool:
    """Return whether a full sync is open."""
    return summary is not None and summary.open_full_sync is not None


def describe_missing_data(connection: ConnectionChanged, summary: SyncSummary | None) -> str:
    """Return why there is no data of a connection yet, for whoever asks for it."""
    if summary is not None and summary.blocked is not None:
        return f"No cached data: the platform refuses to be asked, {summary.blocked}"
    if is_updating(summary):
        return "No cached data yet: the first sync is running"
    if connection.state == "reauthorise":
        return "No cached data: the account must be connected again, then the first sync begins"
    if summary is not None and summary.last_error is not None:
        return f"No cached data: the first sync failed ({summary.last_error})"
    return "No cached data yet: the first sync has not begun"
