"""Says which records a sync has left out, because they could not be read although they exist."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spaces_writer.store.records import OutdatedRecord

MAX_NAMED = 50


def describe_left_out(records: Iterable["OutdatedRecord"]) -> dict[str, str]:
    """Return the reason for each of the first 50 records by id, and what is shown of the record instead.

    The entry `…` says how many more there are.
    """
    all_records = list(records)
    named = {r.id: f"{r.reason}; {_describe_stored_version(r)}" for r in all_records[:MAX_NAMED]}
    return named | ({"…": f"{len(all_records) - MAX_NAMED} more"} if len(all_records) > MAX_NAMED else {})


def _describe_stored_version(record: "OutdatedRecord") -> str:
    if record.stored_read_at is None:
        return "it could not be read before either, and is not shown"
    return f"its version of {datetime.fromtimestamp(record.stored_read_at / 1000, UTC):%Y-%m-%d %H:%M} UTC is shown"
