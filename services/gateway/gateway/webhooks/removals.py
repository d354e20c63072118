"""Whether to believe a delivery that says the app was removed from an account.

The topic and the time of a delivery are not signed, so that anybody who has a signed body can send it again as another
topic. The account's stored token shows what is true: the platform rejects it once the app is removed.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.store.connections import ConnectionStore, LockedConnection
from platform_sdk.errors import TransientError

log = structlog.get_logger()

SAME_TIME_MS = 5_000
"""The time of a grant is the platform's `Date`, in whole seconds: a smaller difference decides nothing."""
TRY_SECONDS = 2.0
"""For trying a stored token, a refresh included: less than the answer to a delivery may take."""


def compare_times(granted_at: int, triggered_at: int | None) -> str:
    """Return whether the event at `triggered_at` was `before` or `after` the grant, or `near` it. Times are in ms."""
    if triggered_at is None or abs(triggered_at - granted_at) <= SAME_TIME_MS:
        return "near"
    return "before" if triggered_at < granted_at else "after"


async def execute_removal(
    connections: ConnectionStore,
    name: str,
    triggered_at: int | None,
    *,
    find_objection: Callable[[LockedConnection], Awaitable[str | None]],
    execute: Callable[[LockedConnection], Awaitable[str]],
    seconds: float = TRY_SECONDS,
) -> str:
    """Execute a removal unless there is an objection; both under the connection's lock. Returns the outcome to log.

    `find_objection` tries the stored token and returns the outcome where the app is still installed. Where it cannot
    be tried within `seconds`, a delivery that is clearly younger than the grant decides, because a shop that is closed
    may answer nothing at all. Otherwise the error is raised (TransientError, TimeoutError), and the platform delivers
    again. Raises UnavailableError as well.
    """
    try:
        async with asyncio.timeout(seconds), connections.lock(name) as locked:
            return await find_objection(locked) or await execute(locked)
    except (TransientError, TimeoutError) as error:
        async with connections.lock(name) as locked:
            if locked.row is None or compare_times(locked.row.granted_at, triggered_at) != "after":
                raise
            log.warning("removal executed without trying the token", connection=name, reason=type(error).__name__)
            return await execute(locked)
