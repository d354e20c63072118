"""Splits records into pages of a bounded size in bytes. Each page holds at least one record or chunk of a record."""

import orjson

from contracts.events import Record
from contracts.topics import MAX_MESSAGE_BYTES

TARGET_BYTES = 512 * 1024
MAX_RECORD_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""The largest record that fits into one message. A sync with a larger record fails, and its reason names the record."""
ENVELOPE_BYTES = 300
"""The approximate bytes that a record's fields take in addition to its body and items."""


def measure_record(record: Record) -> int:
    """Return the approximate number of bytes that `record` takes in a page."""
    content = record.items if record.body is None else (record.body, record.items)
    return ENVELOPE_BYTES + len(orjson.dumps(content))


class PageBuilder:
    """Collects records into pages of about `target` bytes."""

    def __init__(self, target: int = TARGET_BYTES) -> None:
        self._target = target
        self._records: list[Record] = []
        self._size = 0

    def add(self, record: Record, size: int) -> tuple[Record, ...]:
        """Add a record of `size` bytes.

        If the record does not fit into the current page, return the records of that page and start a new page with
        this one. Otherwise return an empty tuple.
        """
        page = self.flush() if self._records and self._size + size > self._target else ()
        self._records.append(record)
        self._size += size
        return page

    def flush(self) -> tuple[Record, ...]:
        """Return the records of the unfinished page and start an empty one. The tuple is empty when there are none."""
        records, self._records, self._size = tuple(self._records), [], 0
        return records
