"""Background tasks that call a function periodically. An error of the function does not end the task."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

log = structlog.get_logger()
MAX_PAUSE_SECONDS = 30.0
"""The longest pause after an error."""
LAST_RUN_SECONDS = 5.0
"""How long a running call of the function may take after the task is asked to stop. Then the call is cancelled."""


class PeriodicTask:
    """Calls the function `step` again and again, with pauses of `interval` seconds; `wake` ends a pause.

    When `step` returns True, it has more to do and is called again immediately. When it raises, the error is logged and
    stored in `health_error`, and `step` is called again after a pause, which doubles from 1 up to 30 seconds.
    """

    def __init__(self, name: str, step: Callable[[], Awaitable[bool]], *, interval: float) -> None:
        self._name = name
        self._step = step
        self._interval = interval
        self._wake = asyncio.Event()
        self._is_running_step = False
        self._is_stopping = False
        self.health_error: str | None = None
        """The error of the last call of `step`, as text for /ready; None when the call succeeded."""

    def wake(self) -> None:
        """Make the running task call its function now instead of waiting for the end of the interval."""
        self._wake.set()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run the task while the context lasts. Then wait up to LAST_RUN_SECONDS for a running call of its function."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._is_stopping = True
            if self._is_running_step:
                await asyncio.wait({task}, timeout=LAST_RUN_SECONDS)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        pause = 1.0
        while not self._is_stopping:
            try:
                has_more = await self._run_step()
            except Exception as error:  # noqa: BLE001 no error may end the task, for nobody would notice
                self.health_error = f"{type(error).__name__}: {error}"[:300]
                log.warning("periodic task failed", task=self._name, reason=self.health_error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE_SECONDS)
                continue
            self.health_error, pause = None, 1.0
            if not has_more and not self._is_stopping:
                await self._sleep()

    async def _run_step(self) -> bool:
        self._is_running_step = True
        try:
            return await self._step()
        finally:
            self._is_running_step = False

    async def _sleep(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._interval)
        self._wake.clear()
