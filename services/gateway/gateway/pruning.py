"""What has expired goes: logins, sessions, old self-tests."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from messaging.errors import Away

log = structlog.get_logger()

EVERY_SECONDS = 300.0


@asynccontextmanager
async def pruning(prune: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Prune every five minutes while the context lasts."""
    task = asyncio.create_task(_prune_for_ever(prune))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _prune_for_ever(prune: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await prune()
        except Away as away:
            log.warning("pruning held", reason=str(away))
        await asyncio.sleep(EVERY_SECONDS)
