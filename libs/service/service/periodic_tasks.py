"""A loop of a service: one step after another, supervised, so that no error ends it unseen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

log = structlog.get_logger()
LONGEST_PAUSE = 30.0
LAST_STEP_SECONDS = 5.0
"""How long the step under way may go on when the loop is to end; broken off, it would have to be taken again."""


class PeriodicTask:
    """Takes `step` again and again while the service runs. `step` says whether there may be more to do at once;
    otherwise the loop rests for `rest` seconds, or until it is nudged. What goes wrong is logged, shown by `trouble`,
    waited out with growing pauses, and tried again."""

    def __init__(self, name: str, step: Callable[[], Awaitable[bool]], *, interval: float) -> None:
        self._name = name
        self._step = step
        self._rest = interval
        self._wake = asyncio.Event()
        self._stepping = False
        self._ending = False
        self.health_error: str | None = None
        """What went wrong last, in words for /ready; None when the last step went well."""

    def wake(self) -> None:
        """There is something to do: take the next step now."""
        self._wake.set()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run while the context lasts, and end between two steps."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._ending = True
            if self._stepping:
                await asyncio.wait({task}, timeout=LAST_STEP_SECONDS)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        pause = 1.0
        while not self._ending:
            try:
                more = await self._stepped()
            except Exception as error:  # noqa: BLE001 the supervisor: no loop may end unseen
                self.health_error = f"{type(error).__name__}: {error}"[:300]
                log.warning("loop held", loop=self._name, reason=self.health_error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            self.health_error, pause = None, 1.0
            if not more and not self._ending:
                await self._sleep()

    async def _stepped(self) -> bool:
        self._stepping = True
        try:
            return await self._step()
        finally:
            self._stepping = False

    async def _sleep(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._rest)
        self._wake.clear()
