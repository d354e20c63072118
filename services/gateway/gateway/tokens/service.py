"""Access tokens for the fetchers: kept fresh, refreshed by one process at a time, revoked when proved dead.

Only here is a rotating token refreshed, under the connection's row lock: read again, refresh, store both. Killed
between the platform's answer and the commit, the old refresh token is still stored, and still good at the platform.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

import structlog

from contracts.events import parse_account, parse_platform
from gateway.connections import Connection, HeldConnection, SealedTokens, refreshed, revoked
from gateway.errors import GrantDead, NotKnown, NotLive, PlatformAway, TokenRefused
from gateway.grants import Grant
from gateway.metrics import AWAY, REAUTHORISE, REFRESHED, CountRefresh
from gateway.tokens.encryption import Sealer

log = structlog.get_logger()
T = TypeVar("T")

REFRESH_BEFORE_MS = 120_000
"""A token with less life than this is refreshed before it is given out: fetchers keep theirs until a minute."""
USABLE_MS = 60_000
ANSWER_SECONDS = 8.0
"""For a turn, the lock and a refresh together: fetchers wait for ten, and then hold all connections' work."""


class Connections(Protocol):
    """The store, as far as tokens need it."""

    async def connection(self, name: str) -> Connection | None:
        """As it is now."""

    def held(self, name: str) -> AbstractAsyncContextManager[HeldConnection]:
        """Under its lock, for one transaction."""


class Refreshing(Protocol):
    """A platform's token endpoint."""

    async def refresh(self, account: str, refresh_token: str) -> Grant:
        """New tokens. Raises `GrantDead` when the platform says so, `PlatformAway` when it says nothing."""


@dataclass(frozen=True)
class Token:
    """What a fetcher gets."""

    access_token: str = field(repr=False)
    expires_at: int | None
    epoch: int
    scopes: tuple[str, ...]


def digest(access_token: str) -> str:
    """The hex SHA-256 by which a token is spoken of."""
    return sha256(access_token.encode()).hexdigest()


def sealed(sealer: Sealer, name: str, grant: Grant) -> SealedTokens:
    """A grant's tokens as they are stored for the connection `name`."""
    refresh = grant.refresh_token
    return SealedTokens(
        access=sealer.seal(grant.access_token, connection=name, kind="access"),
        expires_at=grant.expires_at,
        refresh=sealer.seal(refresh, connection=name, kind="refresh") if refresh else None,
        refresh_expires_at=grant.refresh_expires_at,
    )


class Tokens:
    """Gives out access tokens. `now` is milliseconds; `remotes` are the token endpoints by platform; `count` hears of
    every token that had to be replaced."""

    def __init__(
        self,
        store: Connections,
        sealer: Sealer,
        remotes: Mapping[str, Refreshing],
        *,
        now: Callable[[], int],
        count: CountRefresh,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._remotes = remotes
        self._now = now
        self._count = count
        self._answer_seconds = answer_seconds
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def current(self, name: str) -> Token:
        """The connection's token, with two minutes of life or more where the platform answers.

        Raises `NotKnown`, `NotLive`, or `PlatformAway` when it must be refreshed and cannot be.
        """
        row = _known(await self._store.connection(name))
        if not row.live:
            raise NotLive(row.state)
        if self._is_good(row):
            return self._token(row)
        async with self._holding(name) as held:
            row = await self.kept_good(held)
        return self._token(row)

    async def refused(self, name: str, access_token_sha256: str) -> Token:
        """The platform refused this token: another one. Raises as `current`; `NotLive` when there is no other.

        A token that was replaced meanwhile costs nothing: the present one is given. The present one is refreshed,
        and where it cannot be, the merchant has to sign in again.
        """
        async with self._holding(name) as held:
            row = _known(held.row)
            if row.live and digest(self.access(row)) == access_token_sha256:
                row = await self._replaced(held, row)
            else:
                row = await self.kept_good(held)
        return self._token(row)

    async def tried(self, name: str, token: Token, use: Callable[[Token], Awaitable[T]]) -> T:
        """What `use` makes of the token, once more with another one where the platform refuses it. Raises as `refused`;
        `TokenRefused` where it refuses that one, too."""
        try:
            return await use(token)
        except TokenRefused:
            return await use(await self.refused(name, digest(token.access_token)))

    async def kept_good(self, held: HeldConnection) -> Connection:
        """The held row with a token that has life, refreshed where it must be; it may come back revoked."""
        row = _known(held.row)
        if not row.live or self._is_good(row):
            return row
        if self._has_life(row, REFRESH_BEFORE_MS):
            return await self._sealed_anew(held, row)
        try:
            return await self._replaced(held, row)
        except PlatformAway:
            if self._has_life(row, USABLE_MS):
                return row
            raise

    async def _replaced(self, held: HeldConnection, row: Connection) -> Connection:
        """The row with new tokens; revoked when it has no refresh token, or the one that was sent is dead."""
        platform, sent = parse_platform(row.name), self._refresh_token(row)
        try:
            if not sent:
                raise GrantDead
            grant = await self._remotes[platform].refresh(parse_account(row.name), sent)
        except PlatformAway:
            self._count(platform, AWAY)
            raise
        except GrantDead:
            log.warning("connection needs a new sign-in", connection=row.name)
            outcome, after = REAUTHORISE, revoked(row)
        else:
            log.info("access refreshed", connection=row.name)
            outcome = REFRESHED
            after = refreshed(row, scopes=grant.scopes, tokens=sealed(self._sealer, row.name, grant))
        await held.save(after)
        self._count(platform, outcome)
        return after

    async def _sealed_anew(self, held: HeldConnection, row: Connection) -> Connection:
        """The row with its tokens under the current key."""
        tokens = _tokens(row)
        access = self._sealer.seal(self.access(row), connection=row.name, kind="access")
        refresh = self._sealer.seal(self._refresh_token(row), connection=row.name, kind="refresh")
        after = replace(row, tokens=replace(tokens, access=access, refresh=refresh if tokens.refresh else None))
        await held.save(after)
        return after

    @asynccontextmanager
    async def _holding(self, name: str) -> AsyncIterator[HeldConnection]:
        """The connection's lock; callers in this process take turns first, so that they fill no pool.

        Raises `PlatformAway` when the whole takes too long: whoever has the turn or the lock waits for the platform.
        """
        turn = self._turns.setdefault(name, asyncio.Lock())
        try:
            async with asyncio.timeout(self._answer_seconds), turn, self._store.held(name) as held:
                yield held
        except TimeoutError as error:
            self._count(parse_platform(name), AWAY)
            raise PlatformAway("the platform does not answer for this connection in time") from error

    def _is_good(self, row: Connection) -> bool:
        tokens = _tokens(row)
        current = all(self._sealer.is_current(value) for value in (tokens.access, tokens.refresh) if value)
        return current and self._has_life(row, REFRESH_BEFORE_MS)

    def _has_life(self, row: Connection, left: int) -> bool:
        expires_at = _tokens(row).expires_at
        return expires_at is None or expires_at - self._now() > left

    def access(self, row: Connection) -> str:
        """The access token of a live row, in clear."""
        return self._sealer.open(_tokens(row).access, connection=row.name, kind="access")

    def _refresh_token(self, row: Connection) -> str:
        """Empty where there is none."""
        value = _tokens(row).refresh
        return self._sealer.open(value, connection=row.name, kind="refresh") if value else ""

    def _token(self, row: Connection) -> Token:
        if not row.live:
            raise NotLive(row.state)
        return Token(self.access(row), _tokens(row).expires_at, row.epoch, row.scopes)


def _known(row: Connection | None) -> Connection:
    if row is None:
        raise NotKnown
    return row


def _tokens(row: Connection) -> SealedTokens:
    assert row.tokens is not None
    return row.tokens
