"""Access tokens for the fetchers: refreshed in time, by one process at a time, and revoked when the platform says so.

Only here is a rotating token refreshed. The connection's lock is held from reading the row to storing both new tokens.
A process that is killed between the platform's response and the commit leaves the old refresh token stored, which the
platform still accepts.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TypeVar
from weakref import WeakValueDictionary

import structlog

from contracts.events import parse_account, parse_platform
from gateway.connections import Connection, EncryptedTokens, apply_refresh, require_reauthorisation
from gateway.metrics import AWAY, REAUTHORISE, REFRESHED, CountRefresh
from gateway.store.connections import ConnectionStore, LockedConnection
from gateway.tokens.encryption import TokenCipher
from platform_sdk.adapters import AccountApi
from platform_sdk.errors import ConnectionEndedError, NotFoundError, TokenRejectedError, TransientError

log = structlog.get_logger()
T = TypeVar("T")

REFRESH_BEFORE_MS = 120_000
"""A token that expires sooner is refreshed before it is given out: fetchers use theirs until a minute before."""
USABLE_MS = 60_000
ANSWER_SECONDS = 8.0
"""For waiting and a refresh together: fetchers wait for ten seconds, and then hold the work of all connections."""


@dataclass(frozen=True)
class TokenResponse:
    """The access token that a fetcher gets, when it expires (ms), and the connection's epoch and scopes."""

    access_token: str = field(repr=False)
    expires_at: int | None
    epoch: int
    scopes: tuple[str, ...]


def hash_token(access_token: str) -> str:
    """Return the hex SHA-256 by which services name a token to each other."""
    return sha256(access_token.encode()).hexdigest()


class TokenService:
    """Gives out access tokens. `now` is in ms, `apis` are the platforms' by slug; `count_refresh` is called for every
    token that had to be replaced."""

    def __init__(
        self,
        connections: ConnectionStore,
        cipher: TokenCipher,
        apis: Mapping[str, AccountApi],
        *,
        now: Callable[[], int],
        count_refresh: CountRefresh,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._connections = connections
        self._cipher = cipher
        self._apis = apis
        self._now = now
        self._count_refresh = count_refresh
        self._answer_seconds = answer_seconds
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get_token(self, name: str) -> TokenResponse:
        """Return the connection's token, valid for two minutes or more where the platform answers.

        Raises NotFoundError, ConnectionEndedError, and TransientError when it must be refreshed and cannot be.
        """
        row = _require_row(await self._connections.find(name))
        if not row.is_live:
            raise ConnectionEndedError(row.state)
        if self._is_ready_to_use(row):
            return self._build_response(row)
        async with self._lock(name) as locked:
            row = await self.ensure_fresh_token(locked)
        return self._build_response(row)

    async def replace_token(self, name: str, access_token_sha256: str) -> TokenResponse:
        """Return another token after the platform rejected the one with this hash.

        A token that was replaced meanwhile costs nothing: the present one is returned. The present one is refreshed,
        and where that is impossible, the merchant has to sign in again. Raises as `get_token`, and ConnectionEndedError
        when there is no other token.
        """
        async with self._lock(name) as locked:
            row = _require_row(locked.row)
            if row.is_live and hash_token(self.decrypt_access_token(row)) == access_token_sha256:
                row = await self._replace_tokens(locked, row, self._decrypt_refresh_token(row))
            else:
                row = await self.ensure_fresh_token(locked)
        return self._build_response(row)

    async def call_with_token(self, name: str, token: TokenResponse, use: Callable[[TokenResponse], Awaitable[T]]) -> T:
        """Return the result of `use` for the token, and for another token where the platform rejects the first.

        Raises as `replace_token`, and TokenRejectedError where the platform rejects the second token, too.
        """
        try:
            return await use(token)
        except TokenRejectedError:
            return await use(await self.replace_token(name, hash_token(token.access_token)))

    async def ensure_fresh_token(self, locked: LockedConnection) -> Connection:
        """Return the locked row with a token that is not about to expire. It may come back in state reauthorise."""
        row = _require_row(locked.row)
        if not row.is_live or self._is_ready_to_use(row):
            return row
        if self._is_valid_for(row, REFRESH_BEFORE_MS):
            return await self._reencrypt_tokens(locked, row)
        refresh_token = self._decrypt_refresh_token(row)
        try:
            return await self._replace_tokens(locked, row, refresh_token)
        except TransientError:
            if self._is_valid_for(row, USABLE_MS):
                return row
            raise

    def decrypt_access_token(self, row: Connection) -> str:
        """Return the access token of a row with tokens. Raises TransientError as `TokenCipher.decrypt`."""
        return self._cipher.decrypt(_get_tokens(row).access, connection=row.name, kind="access")

    async def _replace_tokens(self, locked: LockedConnection, row: Connection, refresh_token: str) -> Connection:
        """Save the row with new tokens; in state reauthorise where it has no refresh token that the platform takes."""
        platform = parse_platform(row.name)
        try:
            if not refresh_token:
                raise TokenRejectedError
            grant = await self._apis[platform].refresh_grant(parse_account(row.name), refresh_token)
        except TransientError:
            self._count_refresh(platform, AWAY)
            raise
        except TokenRejectedError:
            log.warning("reauthorisation required", connection=row.name)
            outcome, after = REAUTHORISE, require_reauthorisation(row)
        else:
            log.info("access token refreshed", connection=row.name)
            outcome = REFRESHED
            after = apply_refresh(row, scopes=grant.scopes, tokens=self._cipher.encrypt_grant(row.name, grant))
        await locked.save(after)
        self._count_refresh(platform, outcome)
        return after

    async def _reencrypt_tokens(self, locked: LockedConnection, row: Connection) -> Connection:
        """Save the row with its tokens encrypted under the current key."""
        tokens = _get_tokens(row)
        access = self._cipher.encrypt(self.decrypt_access_token(row), connection=row.name, kind="access")
        refresh = self._cipher.encrypt(self._decrypt_refresh_token(row), connection=row.name, kind="refresh")
        after = replace(row, tokens=replace(tokens, access=access, refresh=refresh if tokens.refresh else None))
        await locked.save(after)
        return after

    @asynccontextmanager
    async def _lock(self, name: str) -> AsyncIterator[LockedConnection]:
        """Lock the connection. Raises TransientError when the whole block takes too long.

        Callers in this process queue for a lock of their own first, so that they do not use up the database's pool.
        """
        queue = self._queues.setdefault(name, asyncio.Lock())
        try:
            async with asyncio.timeout(self._answer_seconds), queue, self._connections.lock(name) as locked:
                yield locked
        except TimeoutError as error:
            self._count_refresh(parse_platform(name), AWAY)
            raise TransientError("the platform does not answer for this connection in time") from error

    def _is_ready_to_use(self, row: Connection) -> bool:
        tokens = _get_tokens(row)
        current = all(self._cipher.is_current(value) for value in (tokens.access, tokens.refresh) if value)
        return current and self._is_valid_for(row, REFRESH_BEFORE_MS)

    def _is_valid_for(self, row: Connection, milliseconds: int) -> bool:
        expires_at = _get_tokens(row).expires_at
        return expires_at is None or expires_at - self._now() > milliseconds

    def _decrypt_refresh_token(self, row: Connection) -> str:
        """Return the refresh token; empty where there is none."""
        value = _get_tokens(row).refresh
        return self._cipher.decrypt(value, connection=row.name, kind="refresh") if value else ""

    def _build_response(self, row: Connection) -> TokenResponse:
        if not row.is_live:
            raise ConnectionEndedError(row.state)
        return TokenResponse(self.decrypt_access_token(row), _get_tokens(row).expires_at, row.epoch, row.scopes)


def _require_row(row: Connection | None) -> Connection:
    if row is None:
        raise NotFoundError
    return row


def _get_tokens(row: Connection) -> EncryptedTokens:
    assert row.tokens is not None
    return row.tokens
