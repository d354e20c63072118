"""Carries out link syncs, one at a time for each link.

| step | then |
|-|-|
| read | with scope `all` or `ids`, the gateway starts a sync of each source, and its data is waited for |
| plan | all that is known of both sides is matched and planned |
| write | what was decided up to then has been written, or has failed: the sync is a `success` |

While the link is a draft, a sync with anything to write is a `draft` too: it goes on once a person has approved the
plan, and then waits for all that was approved. What has to be done next is seen in the database at each step, so a kill
loses nothing.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.client import SyncClient, SyncRefusedError
from linker.store import link_syncs, links, plans, sides
from linker.store.link_syncs import CANCELLED, DRAFT, FAILED, QUEUED, RUNNING, SUCCESS, LinkSync, SourceRead
from linker.store.links import ACTIVE, LIVE, READING, Link
from linker.store.links import DRAFT as LINK_DRAFT
from linker.use_cases.approvals import retry_failed
from linking.sync_modes import Scope
from messaging.errors import UnavailableError
from messaging.outbox import Transaction

log = structlog.get_logger()
STALE = timedelta(days=1)
"""How long a sync may run. What it waits for is not heard of any more then."""
PAUSE_SECONDS = 10.0
ACCESS_DENIED, RUN_FAILED, STALE_RUN = "access_denied", "run_failed", "stale_run"
_STORED = ("storing", "success")
"""The states of a connection's sync in which all of its data is on the change feed."""


class LinkSyncRunner:
    """Carries out the link syncs of all links. `elapsed` returns seconds that never go backwards."""

    def __init__(
        self, transaction: Transaction, gateway: SyncClient, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._transaction = transaction
        self._gateway = gateway
        self._elapsed = elapsed
        self._asked_from = 0.0

    async def run_once(self) -> bool:
        """Take each link's sync as far as it goes. Return whether one has ended, because another may follow."""
        async with self._transaction() as tx:
            first = await link_syncs.list_first(tx)
        has_ended = False
        for sync_id, link_id in first:
            has_ended |= await self._advance(sync_id, link_id)
        return has_ended

    async def _advance(self, sync_id: UUID, link_id: UUID) -> bool:
        async with self._transaction() as tx:
            link = await links.try_lock(tx, link_id)
            sync = await link_syncs.lock(tx, sync_id)
            if link is None or sync is None or sync.state not in link_syncs.OPEN:
                return False
            if link.state not in LIVE:
                await link_syncs.finish(tx, sync, CANCELLED, message=f"the link is {link.state}")
                return True
            if sync.state == QUEUED:
                sync = await _start(tx, link, sync)
            reads = await link_syncs.list_reads(tx, sync)
            wanted = [read for read in reads if read.sync_id is None]
            if not wanted:
                return await _go_on(tx, link, sync, reads)
        # Without the link's lock, because the gateway may be slow.
        for read in wanted:
            await self._request(sync, read)
        return False

    async def _request(self, sync: LinkSync, read: SourceRead) -> None:
        """Have an account read. While the gateway does not answer, it is asked every `PAUSE_SECONDS`, once for all."""
        if self._elapsed() < self._asked_from:
            return
        try:
            read_id = await self._gateway.request_sync(read.connection, sync.ids)
        except UnavailableError as error:
            self._asked_from = self._elapsed() + PAUSE_SECONDS
            log.warning("link sync waits", link=str(sync.link), sync=str(sync.id), reason=str(error))
            return
        except SyncRefusedError as error:
            async with self._transaction() as tx:
                code = ACCESS_DENIED if error.is_disconnected else RUN_FAILED
                await _fail(tx, sync, code, error.reason)
            return
        async with self._transaction() as tx:
            await link_syncs.set_read(tx, sync.id, read.connection, read_id)


async def _start(tx: AsyncConnection, link: Link, sync: LinkSync) -> LinkSync:
    """Begin a sync: note what is to be read, and have failed writes made again if it is about everything."""
    known = await sides.list_by_link(tx, link.id)
    sources = [side.connection for side in known if side.side in sync.mode.sources]
    await link_syncs.start(tx, sync, [] if sync.mode.scope is Scope.CHANGED else sources)
    if sync.mode.scope is Scope.ALL:
        await retry_failed(tx, link)
    log.info("link sync started", link=str(link.id), sync=str(sync.id), mode=sync.mode.name)
    return await link_syncs.lock(tx, sync.id) or sync


async def _go_on(tx: AsyncConnection, link: Link, sync: LinkSync, reads: Sequence[SourceRead]) -> bool:
    """Take a sync whose `reads` have all begun as far as it goes, and return whether it has ended."""
    if sync.started_at and datetime.now(UTC) - sync.started_at > STALE and sync.state == RUNNING:
        await _fail(tx, sync, STALE_RUN, "nothing came of it for a day")
        return True
    number = sync.plan_number
    if number is None:
        failed = next((read for read in reads if read.state not in (None, *_STORED)), None)
        if failed is not None:
            await _fail(tx, sync, RUN_FAILED, f"{failed.connection}: {failed.reason or failed.state}")
            return True
        if not await _is_planned(tx, link, reads):
            return False
        number = await _set_number(tx, link, sync)
    elif sync.state == DRAFT and link.state == ACTIVE:
        # The approval has decided conflicts, with a number above the draft's.
        if not await link_syncs.is_planned(tx, link.id):
            return False
        number = await _set_number(tx, link, sync)
    if link.state == READING:
        return False
    unwritten = await link_syncs.count_unwritten(
        tx, link.id, sync.mode.targets, number, with_conflicts=link.state == LINK_DRAFT
    )
    if not unwritten:
        await link_syncs.finish(tx, sync, SUCCESS)
        log.info("link sync ended", link=str(link.id), sync=str(sync.id), mode=sync.mode.name)
        return True
    await _set_waiting(tx, link, sync)
    return False


async def _set_number(tx: AsyncConnection, link: Link, sync: LinkSync) -> int:
    """Let a sync wait for everything that is decided up to now, and return the number of that."""
    await link_syncs.set_plan_number(tx, sync, link.plan_number)
    return link.plan_number


async def _is_planned(tx: AsyncConnection, link: Link, reads: Sequence[SourceRead]) -> bool:
    """Return whether what was read has arrived from the change feed, and all that is known is planned."""
    known = {side.connection: side.position for side in await sides.list_by_link(tx, link.id)}
    for read in reads:
        position = known[read.connection]
        if read.state is None or not position.is_whole or position.sequence < (read.sequence or 0):
            return False
    return link.state != READING and link.is_matched and await link_syncs.is_planned(tx, link.id)


async def _set_waiting(tx: AsyncConnection, link: Link, sync: LinkSync) -> None:
    """Store whether the sync waits for its writes, or for a person to approve the plan."""
    state = RUNNING if link.state == ACTIVE else DRAFT
    if state == sync.state:
        return
    planned = (await plans.count_writes(tx, link.id)).writes
    message = f"plan {link.plan_number} writes {planned} fields once it is approved"
    await link_syncs.set_state(tx, sync, state, message if state == DRAFT else None)


async def _fail(tx: AsyncConnection, sync: LinkSync, code: str, message: str) -> None:
    await link_syncs.finish(tx, sync, FAILED, reason_code=code, message=message)
    log.warning("link sync failed", link=str(sync.link), sync=str(sync.id), reason=code, message=message)
