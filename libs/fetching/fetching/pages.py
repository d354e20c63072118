"""Pages: bounded by bytes, each with at least one whole record or piece of one."""

from collections.abc import Iterable, Iterator

import orjson

from contracts.events import Record
from contracts.topics import MAX_MESSAGE_BYTES

TARGET_BYTES = 512 * 1024
LARGEST_RECORD_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""Above this a record cannot be said in one message, and its sync fails by name."""
ENVELOPE_BYTES = 300
"""About what a record's other fields take beside its body."""


def weight(record: Record) -> int:
    """About the bytes that `record` takes in a page."""
    content = record.items if record.body is None else (record.body, record.items)
    return ENVELOPE_BYTES + len(orjson.dumps(content, default=str))


class PageCutter:
    """Gathers records and cuts them into pages; what is left comes out with `rest`."""

    def __init__(self, target: int = TARGET_BYTES) -> None:
        self._target = target
        self._open: list[Record] = []
        self._weight = 0

    def add(self, records: Iterable[Record]) -> Iterator[tuple[Record, ...]]:
        """Take records in order; gives each page as soon as it is full."""
        for record in records:
            heavy = weight(record)
            if self._open and self._weight + heavy > self._target:
                yield self.rest()
            self._open.append(record)
            self._weight += heavy

    def rest(self) -> tuple[Record, ...]:
        """The records not yet on a page; empty when there are none."""
        records, self._open, self._weight = tuple(self._open), [], 0
        return records
