"""Pages of records: bounded by bytes, each with at least one whole record or one chunk of a record."""

import orjson

from contracts.events import Record
from contracts.topics import MAX_MESSAGE_BYTES

TARGET_BYTES = 512 * 1024
MAX_RECORD_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""A larger record does not fit into one message, and its sync fails with its id."""
ENVELOPE_BYTES = 300
"""About what a record's other fields take beside its body."""


def measure_record(record: Record) -> int:
    """Return about the bytes that `record` takes in a page."""
    content = record.items if record.body is None else (record.body, record.items)
    return ENVELOPE_BYTES + len(orjson.dumps(content))


class PageBuilder:
    """Collects records into pages of about `target` bytes."""

    def __init__(self, target: int = TARGET_BYTES) -> None:
        self._target = target
        self._records: list[Record] = []
        self._size = 0

    def add(self, record: Record, size: int) -> tuple[Record, ...]:
        """Add a record of `size` bytes; return the page that was full before it, or nothing."""
        page = self.flush() if self._records and self._size + size > self._target else ()
        self._records.append(record)
        self._size += size
        return page

    def flush(self) -> tuple[Record, ...]:
        """Return the records that are on no page yet; empty when there are none."""
        records, self._records, self._size = tuple(self._records), [], 0
        return records
