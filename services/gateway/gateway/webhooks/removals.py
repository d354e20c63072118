"""Verifies and executes deliveries that say that the app was removed from an account.

The topic and the time of a delivery are not signed, so anybody who has a signed body can send it again under another
topic. The account's stored token shows the truth: the platform rejects the token when the app has been removed.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.store.connections import ConnectionStore, LockedConnection
from platform_sdk.errors import TransientError

log = structlog.get_logger()

SAME_TIME_MS = 5_000
"""Times that differ by less are considered equal, because a grant's time is the platform's `Date` in whole seconds."""
TRY_SECONDS = 2.0
"""The time limit for trying a stored token, including a refresh. It is shorter than the limit for an answer."""


def compare_event_with_grant(granted_at: int, triggered_at: int | None) -> str:
    """Return whether the event was `before`, `after` or `near` the grant. Times are in ms.

    `near` means within `SAME_TIME_MS`, or that the event's time is unknown.
    """
    if triggered_at is None or abs(triggered_at - granted_at) <= SAME_TIME_MS:
        return "near"
    return "before" if triggered_at < granted_at else "after"


async def execute_removal_unless_objection(
    connections: ConnectionStore,
    name: str,
    triggered_at: int | None,
    *,
    find_objection: Callable[[LockedConnection], Awaitable[str | None]],
    execute: Callable[[LockedConnection], Awaitable[str]],
    timeout_seconds: float = TRY_SECONDS,
) -> str:
    """Execute a removal of the app unless there is an objection, and return the outcome to log.

    `find_objection` tries the stored token and returns an outcome when the app is still installed, otherwise None.
    `execute` disconnects the account or deletes its data, and returns the outcome. Both run under the connection's
    lock.

    When the token cannot be tried within `timeout_seconds`, the times of the removal (`triggered_at`, ms) and of the
    grant decide. A removal that is clearly later than the grant is executed, because a closed shop may not answer at
    all. For any other removal the TransientError or TimeoutError is raised, so that the platform delivers again. Raises
    UnavailableError when the database is unavailable.
    """
    try:
        async with asyncio.timeout(timeout_seconds), connections.lock(name) as locked:
            return await find_objection(locked) or await execute(locked)
    except (TransientError, TimeoutError) as error:
        async with connections.lock(name) as locked:
            if locked.row is None or compare_event_with_grant(locked.row.granted_at, triggered_at) != "after":
                raise
            log.warning("removal executed without trying the token", connection=name, reason=type(error).__name__)
            return await execute(locked)
