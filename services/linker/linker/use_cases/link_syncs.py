"""Requests for link syncs: made, cancelled, made again, and made by the linker itself, to check that a link works."""

from collections.abc import Collection
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.store import link_syncs
from linker.store.link_syncs import CANCELLED, FAILED, HEALTH, MANUAL, OPEN, LinkSync
from linker.store.links import LIVE, Link
from linking.sync_modes import MODES, REGULAR, Scope, SyncMode
from messaging.outbox import Transaction
from platform_sdk.errors import NotFoundError, RequestRejectedError

log = structlog.get_logger()
MAX_IDS = 250
HEALTH_PAUSE_SECONDS = 300.0
"""How long after a sync, whatever came of it, the next one is started to see whether a link works."""
_INVALID, _CONFLICT = 400, 409


async def request_link_sync(tx: AsyncConnection, link: Link, mode: str, ids: Collection[str] = ()) -> LinkSync:
    """Return a queued sync of a link: a new one, unless one with the same mode and products is queued already.

    One that runs does not cover the request, because it may be past what that is about. Raises `RequestRejectedError`
    for an unknown mode, for ids that the mode does not take, and if the link is paused.
    """
    chosen = MODES.get(mode)
    if chosen is None:
        raise RequestRejectedError(_INVALID, f"there is no mode {mode!r}, but {', '.join(MODES)}")
    _check_ids(chosen, ids)
    if link.state not in LIVE:
        raise RequestRejectedError(_CONFLICT, f"the link is {link.state}")
    return await link_syncs.find_or_insert(tx, link.id, chosen, ids, MANUAL)


def _check_ids(mode: SyncMode, ids: Collection[str]) -> None:
    if mode.scope is not Scope.IDS:
        if ids:
            raise RequestRejectedError(_INVALID, f"{mode.name} takes no ids")
    elif not 0 < len(set(ids)) <= MAX_IDS:
        source = mode.sources[0]
        raise RequestRejectedError(_INVALID, f"{mode.name} needs the ids of 1 to {MAX_IDS} products of {source}")


async def cancel_link_sync(tx: AsyncConnection, link: Link, sync_id: UUID) -> LinkSync:
    """Cancel a sync that has not ended. What the link has decided is written all the same: `pause` stops that.

    Raises `NotFoundError` if the link has no such sync, and `RequestRejectedError` if it has ended.
    """
    sync = await _get(tx, link, sync_id)
    if sync.state not in OPEN:
        raise RequestRejectedError(_CONFLICT, f"the sync has ended: {sync.state}")
    await link_syncs.finish(tx, sync, CANCELLED)
    log.info("link sync cancelled", link=str(link.id), sync=str(sync_id))
    return await _get(tx, link, sync_id)


async def requeue_link_sync(tx: AsyncConnection, link: Link, sync_id: UUID) -> LinkSync:
    """Return a queued sync that does what one that has failed or was cancelled was to do.

    Raises `NotFoundError` and `RequestRejectedError` as `cancel_link_sync` and `request_link_sync` do.
    """
    sync = await _get(tx, link, sync_id)
    if sync.state not in (FAILED, CANCELLED):
        raise RequestRejectedError(_CONFLICT, f"the sync has not failed, and was not cancelled: it is {sync.state}")
    return await request_link_sync(tx, link, sync.mode.name, sync.ids)


async def _get(tx: AsyncConnection, link: Link, sync_id: UUID) -> LinkSync:
    sync = await link_syncs.get(tx, link.id, sync_id)
    if sync is None:
        raise NotFoundError
    return sync


class LinkHealth:
    """Starts syncs of links of which none has succeeded for `seconds`; 0 stands for never.

    Such a sync reads nothing at the platforms. It shows that what is stored gets matched, planned and written.
    """

    def __init__(self, transaction: Transaction, *, seconds: float) -> None:
        self._transaction = transaction
        self._seconds = seconds

    async def run_once(self) -> bool:
        """Start the syncs that are due. Return False: there are no more."""
        if not self._seconds:
            return False
        async with self._transaction() as tx:
            for link_id in await link_syncs.list_unchecked(tx, self._seconds, HEALTH_PAUSE_SECONDS):
                await link_syncs.find_or_insert(tx, link_id, MODES[REGULAR], (), HEALTH)
        return False
