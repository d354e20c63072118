"""Gives access tokens to fetchers and writers, and refreshes them before they expire, one process at a time.

No other module refreshes tokens. The connection's lock is held from reading the row until the new access and refresh
tokens are stored. When the process is killed between the platform's response and the commit, the old refresh token
stays stored. The platform still accepts the old one, so the next refresh succeeds.
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
from gateway.connections import Connection, EncryptedTokens, apply_refresh, apply_token_rejection
from gateway.metrics import AWAY, REAUTHORISE, REFRESHED, CountRefresh
from gateway.store.connections import ConnectionStore, LockedConnection
from gateway.tokens.encryption import TokenCipher
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.errors import (
    AccountBlockedError,
    ConnectionEndedError,
    NotFoundError,
    TokenRejectedError,
    TransientError,
)
from platform_sdk.tokens import join_login

log = structlog.get_logger()
T = TypeVar("T")

REFRESH_BEFORE_MS = 120_000
"""A token that expires sooner than this is refreshed before it is given out. Fetchers stop using a token one minute
before it expires, so that each token can be used for a minute or more."""
USABLE_MS = 60_000
"""When the refresh fails, a token that is valid for longer than this is given out nevertheless."""
ANSWER_SECONDS = 8.0
"""The time limit for waiting for the lock and refreshing. It is shorter than the ten seconds for which they wait:
after those, a fetcher or writer takes the gateway for unavailable and pauses the work of all connections."""


@dataclass(frozen=True)
class TokenResponse:
    """The access token that a caller gets, with the connection's scopes and its epoch (which rises when it ends).

    `expires_at` is in ms; None where the token does not expire.
    """

    access_token: str = field(repr=False)
    expires_at: int | None
    epoch: int
    scopes: tuple[str, ...]


def hash_token(access_token: str) -> str:
    """Return the hex SHA-256 of a token. Services send this hash to each other when they mean a certain token."""
    return sha256(access_token.encode()).hexdigest()


class TokenService:
    """Gives out the access tokens of connections, and refreshes them.

    `adapters` are the platforms' adapters by slug. `now` returns the time in ms.
    `count_refresh` is called for every attempt to replace a token. `answer_seconds` limits the time for waiting for a
    connection's lock and refreshing its token.
    """

    def __init__(
        self,
        connections: ConnectionStore,
        cipher: TokenCipher,
        adapters: Mapping[str, PlatformAdapter],
        *,
        now: Callable[[], int],
        count_refresh: CountRefresh,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._connections = connections
        self._cipher = cipher
        self._adapters = adapters
        self._now = now
        self._count_refresh = count_refresh
        self._answer_seconds = answer_seconds
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get_token(self, name: str) -> TokenResponse:
        """Return the connection's access token, valid for at least two minutes, or one minute when the refresh fails.

        Raises NotFoundError when there is no such connection, ConnectionEndedError when it is not live (connected), and
        TransientError when the token has to be refreshed and the platform does not answer.
        """
        row = _require_row(await self._connections.find(name))
        if not row.is_live:
            raise ConnectionEndedError(row.state)
        if self._can_use_unchanged(row):
            return self._build_response(row)
        deadline = self._compute_deadline()
        async with self._lock(name) as locked:
            row = await self.refresh_token_if_due(locked)
        await self._end_sharing_connections(row, deadline)
        return self._build_response(row)

    async def find_access_end(self, name: str) -> int | None:
        """Return when access to a connection ends (ms) if that is soon; None if it is not, or not known.

        Raises NotFoundError when there is no such connection.
        """
        row = _require_row(await self._connections.find(name))
        return row.readable_until if row.is_ending_soon(self._now()) else None

    async def replace_token(self, name: str, rejected_token_sha256: str) -> TokenResponse:
        """Return another token after the platform rejected the token with this hash.

        When the stored token has another hash, it was replaced already and is returned. Otherwise the stored token is
        refreshed. When there is no refresh token or the platform rejects it, the merchant has to sign in again and
        ConnectionEndedError is raised. All connections that share its login end with it, without a call: the platform
        is not asked again with credentials that it has refused. Raises the errors of `get_token` as well.
        """
        deadline = self._compute_deadline()
        async with self._lock(name) as locked:
            row = _require_row(locked.row)
            is_current = row.is_live and not row.has_refused_login
            if is_current and hash_token(self.decrypt_access_token(row)) == rejected_token_sha256:
                row = await self._refresh_or_require_reauthorisation(locked, row, self._decrypt_refresh_token(row))
            else:
                row = await self.refresh_token_if_due(locked)
        await self._end_sharing_connections(row, deadline)
        return self._build_response(row)

    async def call_with_token(self, name: str, token: TokenResponse, use: Callable[[TokenResponse], Awaitable[T]]) -> T:
        """Call `use` with the connection's token and return what `use` returns.

        When the platform rejects the token, `use` is called once more with another token. Raises the errors of
        `replace_token`, and TokenRejectedError when the platform rejects the second token, too.
        """
        try:
            return await use(token)
        except TokenRejectedError:
            return await use(await self.replace_token(name, hash_token(token.access_token)))

    async def refresh_token_if_due(self, locked: LockedConnection) -> Connection:
        """Refresh the locked connection's token if it is about to expire, and return the connection's row.

        Tokens that need no refresh but are encrypted with an old key are encrypted with the current one. The returned
        row is in state reauthorise (the merchant has to sign in again) when the platform does not accept the refresh
        token, or has refused the login that the connection shares. Raises NotFoundError when there is no row, and
        TransientError when the token expires within a minute and the platform does not answer.
        """
        row = _require_row(locked.row)
        if not row.is_live or self._can_use_unchanged(row):
            return row
        if row.has_refused_login:
            return await self._require_reauthorisation(locked, row)
        if self._is_valid_for(row, REFRESH_BEFORE_MS):
            return await self._reencrypt_tokens(locked, row)
        refresh_token = self._decrypt_refresh_token(row)
        try:
            return await self._refresh_or_require_reauthorisation(locked, row, refresh_token)
        except TransientError:
            if self._is_valid_for(row, USABLE_MS):
                return row
            raise

    def decrypt_access_token(self, row: Connection) -> str:
        """Return the decrypted access token of a row that has tokens. Raises the errors of `TokenCipher.decrypt`.

        Where the connection shares a login, the token is made of the login's secret and the connection's own part.
        """
        own_part = self._decrypt_own_part(row)
        if row.login is None:
            return own_part
        return join_login(self._cipher.decrypt_login(row.login, connection=row.name), own_part)

    def _decrypt_own_part(self, row: Connection) -> str:
        return self._cipher.decrypt(_get_tokens(row).access, connection=row.name, kind="access")

    async def _refresh_or_require_reauthorisation(
        self, locked: LockedConnection, row: Connection, refresh_token: str
    ) -> Connection:
        """Refresh the connection's tokens, save its row, and return the saved row.

        The row is saved in state reauthorise (the merchant has to sign in again) when there is no refresh token or the
        platform rejects it. Raises TransientError when the platform does not answer.
        """
        platform = parse_platform(row.name)
        adapter = self._adapters[platform]
        try:
            if not refresh_token:
                raise TokenRejectedError
            grant = await adapter.api.refresh_grant(parse_account(row.name), refresh_token)
        except AccountBlockedError:
            self._count_refresh(platform, AWAY)
            raise
        except TransientError as error:
            self._count_refresh(platform, AWAY)
            raise TransientError(_describe_failed_refresh(adapter, str(error))) from error
        except TokenRejectedError:
            if row.login is not None:
                await locked.logins.mark_refused(row.login.id)
                row = replace(row, login=replace(row.login, is_refused=True))
            return await self._require_reauthorisation(locked, row)
        log.info("access token refreshed", connection=row.name)
        after = apply_refresh(row, scopes=grant.scopes, tokens=self._cipher.encrypt_grant(row.name, grant))
        await locked.save_and_notify(after)
        self._count_refresh(platform, REFRESHED)
        return after

    async def _require_reauthorisation(self, locked: LockedConnection, row: Connection) -> Connection:
        """Save the row in state reauthorise, in which the merchant has to sign in again, and return it."""
        log.warning("reauthorisation required", connection=row.name)
        after = apply_token_rejection(row)
        await locked.save_and_notify(after)
        self._count_refresh(parse_platform(row.name), REAUTHORISE)
        return after

    async def _end_sharing_connections(self, row: Connection, deadline: float) -> None:
        """Let all connected connections that share the row's refused login require a new sign-in.

        `deadline` is the time of the event loop at which the rest is left. Each changes in a transaction of its own,
        after the login is stored as refused. Whatever keeps this from being done (a kill, a lock that is held for
        long), the next request for such a connection's token does it.
        """
        if row.login is None or not row.login.is_refused:
            return
        try:
            async with asyncio.timeout_at(deadline):
                for name in await self._connections.list_names_by_login(row.login.id):
                    async with self._connections.lock(name) as locked:
                        if locked.row and locked.row.is_live and locked.row.has_refused_login:
                            await self._require_reauthorisation(locked, locked.row)
        except TimeoutError:
            log.warning("some connections of a refused login have yet to end", connection=row.name)

    async def _reencrypt_tokens(self, locked: LockedConnection, row: Connection) -> Connection:
        """Encrypt the row's tokens and its shared login with the current key, save the row, and return it."""
        tokens, login = _get_tokens(row), row.login
        access = self._cipher.encrypt(self._decrypt_own_part(row), connection=row.name, kind="access")
        refresh = self._cipher.encrypt(self._decrypt_refresh_token(row), connection=row.name, kind="refresh")
        if login is not None:
            secret = self._cipher.decrypt_login(login, connection=row.name)
            login = replace(login, secret=self._cipher.encrypt_login(login.id, secret))
            await locked.logins.save(login)
        tokens = replace(tokens, access=access, refresh=refresh if tokens.refresh else None)
        after = replace(row, tokens=tokens, login=login)
        await locked.save_and_notify(after)
        return after

    @asynccontextmanager
    async def _lock(self, name: str) -> AsyncIterator[LockedConnection]:
        """Lock the connection for the block of an `async with`.

        Raises TransientError when waiting for the lock and the block together take longer than `answer_seconds`.

        Callers in this process first wait for an `asyncio.Lock` of the connection. While they wait, they hold no
        database connection, so that they cannot exhaust the pool.
        """
        queue = self._queues.setdefault(name, asyncio.Lock())
        try:
            async with asyncio.timeout(self._answer_seconds), queue, self._connections.lock(name) as locked:
                yield locked
        except TimeoutError as error:
            self._count_refresh(parse_platform(name), AWAY)
            adapter = self._adapters[parse_platform(name)]
            reason = _describe_failed_refresh(adapter, f"it took longer than {self._answer_seconds:.0f} s")
            raise TransientError(reason) from error

    def _compute_deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._answer_seconds

    def _can_use_unchanged(self, row: Connection) -> bool:
        tokens, login = _get_tokens(row), row.login
        encrypted = (tokens.access, tokens.refresh, login.secret if login else None)
        is_current = all(self._cipher.is_encrypted_with_current_key(value) for value in encrypted if value)
        return is_current and not row.has_refused_login and self._is_valid_for(row, REFRESH_BEFORE_MS)

    def _is_valid_for(self, row: Connection, milliseconds: int) -> bool:
        expires_at = _get_tokens(row).expires_at
        return expires_at is None or expires_at - self._now() > milliseconds

    def _decrypt_refresh_token(self, row: Connection) -> str:
        """Return the decrypted refresh token; empty where there is none."""
        value = _get_tokens(row).refresh
        return self._cipher.decrypt(value, connection=row.name, kind="refresh") if value else ""

    def _build_response(self, row: Connection) -> TokenResponse:
        if not row.is_live:
            raise ConnectionEndedError(row.state)
        return TokenResponse(self.decrypt_access_token(row), _get_tokens(row).expires_at, row.epoch, row.scopes)


def _describe_failed_refresh(adapter: PlatformAdapter, reason: str) -> str:
    """Say what a failed refresh of a token means, for the merchant who reads why a sync waits."""
    return f"the sign-in at {adapter.manifest.title} could not be refreshed: {reason}"


def _require_row(row: Connection | None) -> Connection:
    if row is None:
        raise NotFoundError
    return row


def _get_tokens(row: Connection) -> EncryptedTokens:
    assert row.tokens is not None
    return row.tokens
