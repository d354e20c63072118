"""What a platform says about the app itself at one account: that it was removed, or that its scopes changed."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from contracts.events import parse_account, parse_platform
from gateway.connections import REDACTED, UNINSTALLED, Connection, HeldConnection, rescoped, uninstalled
from gateway.errors import PlatformAway
from gateway.tokens.encryption import Unsealable
from gateway.tokens.service import Tokens

log = structlog.get_logger()

SAME_MOMENT_MS = 5_000
"""A grant's moment is the platform's `Date`, in whole seconds: within this, times say nothing."""
TRIAL_SECONDS = 2.0
"""For trying a stored token, a refresh included: less than a delivery's answer may take."""
_GONE = (UNINSTALLED, REDACTED)


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
    """Where an uninstall lies beside the present grant: `before`, `after`, or `near`, which says nothing."""
    if triggered_at is None or abs(triggered_at - granted_at) <= SAME_MOMENT_MS:
        return "near"
    return "before" if triggered_at < granted_at else "after"


class Installations:
    """Carries out what deliveries say about the app. Both are safe to repeat."""

    def __init__(
        self,
        store: HoldingStore,
        tokens: Tokens,
        remotes: Mapping[str, Installed],
        *,
        trial_seconds: float = TRIAL_SECONDS,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._remotes = remotes
        self._trial_seconds = trial_seconds

    async def uninstall(self, name: str, triggered_at: int | None) -> str:
        """Make the connection uninstalled and erase its tokens, in one transaction; the outcome for the log.

        The topic and the moment of a delivery are not signed, so it is believed only when the platform refuses the
        stored token. One clearly older than the present grant is dropped: the app was installed again since. Where
        the token cannot be tried within two seconds, a delivery clearly younger than the grant decides, because a
        shop that is gone may answer nothing at all. Raises `Away`, or `PlatformAway`, `Unsealable` or `TimeoutError`
        when it cannot be decided now; the platform delivers it again.
        """
        try:
            async with asyncio.timeout(self._trial_seconds), self._store.held(name) as held:
                return await self._tried(held, triggered_at)
        except (PlatformAway, Unsealable, TimeoutError) as untried:
            async with self._store.held(name) as held:
                if held.row is None or order(held.row.granted_at, triggered_at) != "after":
                    raise
                log.warning("uninstall believed untried", connection=name, reason=type(untried).__name__)
                return await self._uninstalled(held, held.row)

    async def _tried(self, held: HeldConnection, triggered_at: int | None) -> str:
        row = held.row
        if row is None or row.state in _GONE:
            return "not connected"
        if order(row.granted_at, triggered_at) == "before":
            return "older than the grant"
        row = await self._tokens.kept_good(held)
        if row.tokens and await self._remote(row).is_alive(parse_account(row.name), self._tokens.access(row)):
            return "the token works"
        return await self._uninstalled(held, row)

    async def _uninstalled(self, held: HeldConnection, row: Connection) -> str:
        if row.state in _GONE:
            return "not connected"
        await held.save(uninstalled(row))
        log.info("connection uninstalled", connection=row.name)
        return "uninstalled"

    async def rescope(self, name: str) -> str:
        """Take over the scopes that the platform grants now, whatever the delivery says; the outcome for the log.

        Other scopes than were known want a full sync. Raises as `uninstall`, and `TokenRefused`.
        """
        async with self._store.held(name) as held:
            if held.row is None or not held.row.live:
                return "not connected"
            row = await self._tokens.kept_good(held)
            if not row.live:
                return "not connected"
            scopes = await self._remote(row).scopes(parse_account(name), self._tokens.access(row))
            after = rescoped(row, scopes)
            await held.save(after)
        return "scopes changed" if after is not row else "scopes read"

    def _remote(self, row: Connection) -> Installed:
        return self._remotes[parse_platform(row.name)]
