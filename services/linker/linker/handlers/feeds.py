"""Consumes `record.changed` and `records.read`.

Messages arrive as bytes. Most connections are in no link, and their pages, which may have megabytes of records, are
never parsed.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import RecordChanged, RecordsRead
from contracts.topics import RECORD_CHANGED, RECORDS_READ
from linker.store import links, sides
from linker.store.links import LIVE, Link
from linker.store.sides import LinkSide
from linker.use_cases.feed_pages import FeedPages
from messaging.message_checks import check_subject
from messaging.outbox import Transaction

Page = TypeVar("Page", RecordChanged, RecordsRead)


class _PagesHandler(Generic[Page]):
    """Applies pages about a connection to its links. `on_changed` is called after the commit."""

    topic: ClassVar[str]
    page_type: type[Page]

    def __init__(self, transaction: Transaction, pages: FeedPages, *, on_changed: Callable[[], None]) -> None:
        self._transaction = transaction
        self._pages = pages
        self._on_changed = on_changed

    async def __call__(self, connection: str, bodies: Sequence[bytes]) -> None:
        """Apply the pages in order. Raises `ForeignMessageError` if one is about another connection."""
        async with self._transaction() as tx:
            linked = await sides.lock_by_connection(tx, connection)
            events = [self.page_type.model_validate_json(body) for body in bodies] if linked else []
            for event in events:
                check_subject(self.topic, connection, event)
            for side in linked:
                link = await links.get(tx, side.link)
                if link is None or link.state not in LIVE:
                    continue
                current = side
                for event in events:
                    current = await self._apply(tx, link, current, event)
        if linked:
            self._on_changed()

    async def _apply(self, tx: AsyncConnection, link: Link, side: LinkSide, page: Page) -> LinkSide:
        raise NotImplementedError


class ChangesHandler(_PagesHandler[RecordChanged]):
    """Applies pages of changes to the links of their connection."""

    topic = RECORD_CHANGED
    page_type = RecordChanged

    async def _apply(self, tx: AsyncConnection, link: Link, side: LinkSide, page: RecordChanged) -> LinkSide:
        return await self._pages.apply_changes(tx, link, side, page)


class ReadsHandler(_PagesHandler[RecordsRead]):
    """Applies pages of reads to the links that have requested them."""

    topic = RECORDS_READ
    page_type = RecordsRead

    async def _apply(self, tx: AsyncConnection, link: Link, side: LinkSide, page: RecordsRead) -> LinkSide:
        return await self._pages.apply_read(tx, link, side, page)
