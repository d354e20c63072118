"""What a platform says about the app itself at one account: that it was removed, or that its scopes changed."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from contracts.events import account_of, platform_of
from gateway.connections import UNINSTALLED, Connection, rescoped, uninstalled
from gateway.tokens import HeldConnection, Tokens

log = structlog.get_logger()

SAME_MOMENT_MS = 5_000
"""A grant's moment is the platform's `Date`, in whole seconds: within this, times alone decide nothing."""


class Installed(Protocol):
    """A platform, asked about the app. Both raise `PlatformAway`."""

    async def is_alive(self, account: str, token: str) -> bool:
        """Whether the platform takes this token: False only for its 401."""

    async def scopes(self, account: str, token: str) -> tuple[str, ...]:
        """The scopes granted now. Raises `TokenRefused`."""


class HoldingStore(Protocol):
    """The store, as far as installations need it."""

    def held(self, name: str) -> AbstractAsyncContextManager[HeldConnection]:
        """A connection under its lock, for one transaction."""


def order(granted_at: int, triggered_at: int | None) -> str:
    """Where an uninstall lies beside the present grant: `before`, `after`, or `near`, which needs a trial."""
    if triggered_at is None or abs(triggered_at - granted_at) <= SAME_MOMENT_MS:
        return "near"
    return "before" if triggered_at < granted_at else "after"


class Installations:
    """Carries out what deliveries say about the app. Both are safe to repeat."""

    def __init__(self, store: HoldingStore, tokens: Tokens, remotes: Mapping[str, Installed]) -> None:
        self._store = store
        self._tokens = tokens
        self._remotes = remotes

    async def uninstall(self, name: str, triggered_at: int | None) -> str:
        """Make the connection uninstalled and erase its tokens, in one transaction; the outcome for the log.

        An uninstall older than the present grant is dropped: the app was installed again since. Raises `Away` or
        `PlatformAway` when it cannot be decided now; the platform delivers it again.
        """
        async with self._store.held(name) as held:
            row = held.row
            if row is None or row.state == UNINSTALLED:
                return "not connected"
            when = order(row.granted_at, triggered_at)
            if when == "before" or (when == "near" and await self._works(held)):
                return "older than the grant"
            await held.save(uninstalled(held.row or row))
        log.info("connection uninstalled", connection=name)
        return "uninstalled"

    async def rescope(self, name: str) -> str:
        """Take over the scopes that the platform grants now; the outcome for the log. Raises as `uninstall`."""
        async with self._store.held(name) as held:
            if held.row is None or not held.row.live:
                return "not connected"
            row = await self._tokens.kept_good(held)
            if not row.live:
                return "not connected"
            scopes = await self._remote(row).scopes(account_of(name), self._tokens.access(row))
            await held.save(rescoped(row, scopes))
        return "scopes read"

    async def _works(self, held: HeldConnection) -> bool:
        if held.row is None or not held.row.live:
            return False
        row = await self._tokens.kept_good(held)
        return row.live and await self._remote(row).is_alive(account_of(row.name), self._tokens.access(row))

    def _remote(self, row: Connection) -> Installed:
        return self._remotes[platform_of(row.name)]
