"""Pages: bounded by bytes, each with at least one whole record or piece of one."""

import orjson

from contracts.events import Record
from contracts.topics import MAX_MESSAGE_BYTES

TARGET_BYTES = 512 * 1024
LARGEST_RECORD_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""Above this a record cannot be said in one message, and its sync fails by name."""
ENVELOPE_BYTES = 300
"""About what a record's other fields take beside its body."""


def measure_record(record: Record) -> int:
    """About the bytes that `record` takes in a page."""
    content = record.items if record.body is None else (record.body, record.items)
    return ENVELOPE_BYTES + len(orjson.dumps(content))


class PageBuilder:
    """Gathers records and cuts them into pages; what is left comes out with `rest`."""

    def __init__(self, target: int = TARGET_BYTES) -> None:
        self._target = target
        self._open: list[Record] = []
        self._weight = 0

    def add(self, record: Record, heavy: int) -> tuple[Record, ...]:
        """Take a record that weighs `heavy`; gives the page that was full before it, or nothing."""
        full = self.flush() if self._open and self._weight + heavy > self._target else ()
        self._open.append(record)
        self._weight += heavy
        return full

    def flush(self) -> tuple[Record, ...]:
        """The records not yet on a page; empty when there are none."""
        records, self._open, self._weight = tuple(self._open), [], 0
        return records
