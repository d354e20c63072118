"""What an operator wishes of a connection: a full sync, or some records read anew."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from contracts.events import SyncRequested, parse_account, parse_platform
from gateway.connections import MANUAL, Connection, HeldConnection, wishing
from gateway.errors import NotKnown, NotLive, Refusal
from gateway.platforms import Platform

log = structlog.get_logger()
MOST_RECORDS = 10_000
"""Of one wish: what a fetcher reads in about a minute of a large shop's budget."""


class AskingConnection(HeldConnection, Protocol):
    """A connection under its lock, whose fetcher can be asked."""

    async def ask(self, request: SyncRequested) -> None:
        """Ask for records, once the transaction is committed."""


class WishingStore(Protocol):
    """The store, as far as wishes need it."""

    def held(self, name: str) -> AbstractAsyncContextManager[AskingConnection]:
        """A connection under its lock, for one transaction."""


class Wishes:
    """Starts syncs of live connections. Both raise `NotKnown` and `NotLive`. `now` is milliseconds."""

    def __init__(self, store: WishingStore, platforms: Mapping[str, Platform], *, now: Callable[[], int]) -> None:
        self._store = store
        self._platforms = platforms
        self._now = now

    async def full(self, name: str) -> UUID:
        """Wish for a full sync; its id. While a walk is open, the scheduler lets that one cover it."""
        async with self._store.held(name) as held:
            row = wishing(_live(held.row))
            await held.save(row)
        assert row.wanted_sync is not None
        log.info("full sync wished for", connection=name, sync_id=str(row.wanted_sync))
        return row.wanted_sync

    async def records(self, name: str, wanted: Mapping[str, tuple[str, ...]]) -> UUID:
        """Ask for these ids by resource; the sync's id. Raises `Refusal` for what names no record of the platform."""
        async with self._store.held(name) as held:
            row = _live(held.row)
            request = SyncRequested(
                sync_id=uuid4(),
                connection=name,
                epoch=row.epoch,
                cause=MANUAL,
                records=self._named(name, wanted),
                requested_at=self._now(),
            )
            await held.ask(request)
        log.info("records wished for", connection=name, sync_id=str(request.sync_id))
        return request.sync_id

    def _named(self, name: str, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        platform, account = self._platforms[parse_platform(name)], parse_account(name)
        if not 0 < sum(map(len, wanted.values())) <= MOST_RECORDS:
            raise Refusal(f"name between 1 and {MOST_RECORDS:,} records")
        named: dict[str, tuple[str, ...]] = {}
        for resource, given in wanted.items():
            ids = {one: platform.record_id(account, resource, one) for one in given}
            if wrong := [one for one, known in ids.items() if known is None]:
                raise Refusal(f"{platform.title} has no {resource} {wrong[0][:100]}")
            named[resource] = tuple(known for known in ids.values() if known is not None)
        return named


def _live(row: Connection | None) -> Connection:
    if row is None:
        raise NotKnown
    if not row.live:
        raise NotLive(row.state)
    return row
