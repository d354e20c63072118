"""Turns hints into requests to read records: those of a connection within a few seconds become one request.

A hint may come before the change is committed, many times for one change, or never. So it is answered at once, and read
a little later, and nothing depends on it: a poll brings every change.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

log = structlog.get_logger()
WAIT_SECONDS = 3.0
"""How long hints are collected after the first one. Most transactions are committed by then."""
MAX_RECORDS = 250
"""How many records of a connection are read after hints of one such time. The next poll brings the others."""
Records = Mapping[str, tuple[str, ...]]
RequestRecords = Callable[[str, int, Records], Awaitable[None]]
"""Requests to read the records of a connection, if it is connected in this epoch."""


class HintReceiver:
    """Collects hints by connection and epoch. `sleep` waits for seconds; tests replace it."""

    def __init__(
        self, request_records: RequestRecords, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._request_records = request_records
        self._sleep = sleep
        self._collected: dict[tuple[str, int], set[tuple[str, str]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, connection: str, epoch: int, records: Records) -> None:
        """Take a hint. Returns at once; the records are requested after `WAIT_SECONDS`."""
        named = {(resource, record_id) for resource, ids in records.items() for record_id in ids}
        if not named:
            return
        key = connection, epoch
        is_first = key not in self._collected
        collected = self._collected.setdefault(key, set())
        collected.update(sorted(named)[: MAX_RECORDS - len(collected)])
        if is_first:
            task = asyncio.create_task(self._request_later(connection, epoch))
            self._tasks.add(task)
            task.add_done_callback(self._end)

    async def wait_until_requested(self) -> None:
        """Wait until everything is requested that was taken so far."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _request_later(self, connection: str, epoch: int) -> None:
        await self._sleep(WAIT_SECONDS)
        records: dict[str, tuple[str, ...]] = {}
        for resource, record_id in sorted(self._collected.pop((connection, epoch))):
            records[resource] = (*records.get(resource, ()), record_id)
        await self._request_records(connection, epoch, records)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("hints lost", reason=f"{type(error).__name__}: {error}"[:300])
