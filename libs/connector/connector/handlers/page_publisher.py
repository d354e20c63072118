"""What both lanes work with: where access comes from, how events are said, and how records become pages."""

from collections.abc import Callable, Iterable
from typing import Protocol

from connector import event_builders
from connector.pages import LARGEST_RECORD_BYTES, PageBuilder, measure_record
from connector.source import RecordBatch, SyncContext, UnreadableRecord
from connector.tokens import AccessToken
from contracts.events import Record
from messaging.publisher import OutboundMessage

Seconds = Callable[[], float]


class Tokens(Protocol):
    """Where access comes from.

    Both raise `ConnectionEnded` or `Refused`, `NotNow` while the platform gives no token, `Away` when the gateway is,
    and `Rejected` for a connection that is not this fetcher's.
    """

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """An access of at least this epoch; `anew`: not one that is remembered, whose scopes may be old."""
        ...

    async def replace_token(self, access: AccessToken) -> AccessToken:
        """The access that replaces one which the platform has refused."""
        ...


class Voice(Protocol):
    """How events are said. Returns when Kafka has them; raises `Away` when it is not there."""

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        """Say messages in order."""
        ...


class PagePublisher:
    """Says what was read on one topic, page by page; each page is acknowledged before the next is cut."""

    def __init__(self, voice: Voice, topic: str, errand: SyncContext, step: int) -> None:
        self._voice = voice
        self._topic = topic
        self._errand = errand
        self._step = step
        self._cutter = PageBuilder()
        self._of = RecordBatch("", ())
        self._number = 0

    async def add(self, batch: RecordBatch) -> list[UnreadableRecord]:
        """Take a batch; gives the records that are too large to be said at all."""
        if (batch.resource, batch.id_range, batch.attempt) != (self._of.resource, self._of.id_range, self._of.attempt):
            await self.flush()
        self._of = batch
        too_large: list[UnreadableRecord] = []
        for record in batch.records:
            heavy = measure_record(record)
            if heavy > LARGEST_RECORD_BYTES:
                too_large.append(_too_large(record))
                continue
            full = self._cutter.add(record, heavy)
            if full:
                await self._say(full)
        return too_large

    async def flush(self) -> None:
        """Say what is left."""
        records = self._cutter.flush()
        if records:
            await self._say(records)

    async def mark(self, marker: OutboundMessage) -> None:
        """Say a marker, after all pages before it."""
        await self.flush()
        await self._voice.send_all([marker])

    async def _say(self, records: tuple[Record, ...]) -> None:
        message = event_builders.build_page(self._topic, self._errand, self._step, self._number, self._of, records)
        await self._voice.send_all([message])
        self._number += 1


def _too_large(record: Record) -> UnreadableRecord:
    return UnreadableRecord(
        record.resource, record.id, f"larger than {LARGEST_RECORD_BYTES} bytes: it cannot be carried"
    )
