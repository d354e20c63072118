"""Signing in by a platform's consent: a state bound to a browser, a code exchanged, what it gave stored as one.

Killed after the exchange and before the commit, nothing is stored, and the merchant starts again; killed after the
commit, the outbox says the connection, and the merchant's next login finds it.
"""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from gateway.connections import Connection, apply_grant
from gateway.sessions.browser_keys import BrowserKeys
from gateway.store import Stores
from gateway.store.connections import LockedConnection, LockedConnections
from gateway.tokens.encryption import TokenCipher
from gateway.webhooks.probe import PENDING_RESULT
from gateway.webhooks.status import PENDING_STATUS
from platform_sdk.errors import RequestRejectedError
from platform_sdk.grants import Grant

log = structlog.get_logger()

STATE_SECONDS = 600


class CodeExchange(Protocol):
    """A platform's token endpoint. Raises `RequestRejectedError` or `TransientError`."""

    async def exchange(self, account: str, code: str) -> Mapping[str, Grant]:
        """What an authorization code gives: a grant for each account, and for `account` alone where one was named."""


@dataclass(frozen=True)
class LoginStarted:
    """What the browser takes along: the state in the address, `browser` in a cookie of that name."""

    state: str = field(repr=False)
    browser: str = field(repr=False)
    cookie: str = ""


@dataclass(frozen=True)
class SignedIn:
    """A consent that was stored: its connections by name, each with its grant. `session` is the cookie's value."""

    connections: tuple[Connection, ...]
    grants: Mapping[str, Grant]
    merchant: UUID
    session: str = field(repr=False)


def merchant_of(session: UUID | None, known: Sequence[UUID]) -> UUID:
    """Who signs in, from the session's merchant and those of the accounts that were connected before, by name.

    An account keeps its merchant. So where they differ, whoever proved the account is the account's merchant, and not
    the session's; a session of one of them stands, and new accounts join it.
    """
    if session and (not known or session in known):
        return session
    return known[0] if known else uuid4()


def cookie_of(state: str) -> str:
    """The name of the cookie that binds this state to a browser: one a login, so that two tabs do not meet."""
    return "login_" + hmac.digest(b"cookie name", state.encode("utf-8", "surrogateescape"), "sha256").hex()[:16]


class Logins:
    """Logins at one platform. `sessions_go_on`: a login of the session's own merchant leaves the session its id."""

    def __init__(
        self,
        stores: Stores,
        cipher: TokenCipher,
        remote: CodeExchange,
        keys: BrowserKeys,
        *,
        platform: str,
        session_seconds: int,
        sessions_go_on: bool = False,
    ) -> None:
        self._stores = stores
        self._cipher = cipher
        self._remote = remote
        self._keys = keys
        self._platform = platform
        self._session_seconds = session_seconds
        self._sessions_go_on = sessions_go_on

    async def start(self, account: str = "") -> LoginStarted:
        """A login of ten minutes in this browser, for this account; none where the consent is to tell which."""
        started = LoginStarted(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        await self._stores.oauth_states.create(
            state_hash=self._keys.hashed("state", started.state),
            browser_hash=self._keys.hashed("browser", started.browser),
            connection=self._name(account),
            seconds=STATE_SECONDS,
        )
        return LoginStarted(started.state, started.browser, cookie_of(started.state))

    async def finish(self, account: str = "", *, code: str, state: str, browser: str, session: str | None) -> SignedIn:
        """Use the state up, exchange the code, store what it gave. `browser` and `session` are cookies' values.

        Raises `RequestRejectedError`, also for a state that is unknown, used, too old, another browser's or another
        account's, and `TransientError`. Then nothing was stored.
        """
        taken = await self._stores.oauth_states.consume(
            state_hash=self._keys.hashed("state", state),
            browser_hash=self._keys.hashed("browser", browser),
            connection=self._name(account),
        )
        if not taken:
            raise RequestRejectedError(
                400, "this login was used already, is too old, or was started in another browser"
            )
        if account:
            # Its tokens may rotate, so the code is exchanged under the lock that a refresh takes.
            async with self._stores.connections.lock_all([self._name(account)]) as held:
                return await self._signed_in(held, await self._remote.exchange(account, code), session)
        grants = await self._remote.exchange(account, code)
        async with self._stores.connections.lock_all(map(self._name, grants)) as held:
            return await self._signed_in(held, grants, session)

    async def _signed_in(self, held: LockedConnections, grants: Mapping[str, Grant], session: str | None) -> SignedIn:
        by_name = {self._name(account): grant for account, grant in grants.items()}
        known = [one.row.merchant for one in held.by_name.values() if one.row and one.row.merchant]
        old = self._keys.hashed("session", session) if session else None
        before = await held.sessions.find_merchant(old) if old else None
        merchant = merchant_of(before, known)
        rows = [await self._granted(one, name, by_name[name], merchant) for name, one in held.by_name.items()]
        if self._sessions_go_on and session and old and before == merchant:
            await held.sessions.prolong(old, self._session_seconds)
        else:
            session = secrets.token_urlsafe(32)
            await held.sessions.replace(old, self._keys.hashed("session", session), merchant, self._session_seconds)
        return SignedIn(tuple(rows), by_name, merchant, session)

    async def _granted(self, held: LockedConnection, name: str, grant: Grant, merchant: UUID) -> Connection:
        """An account that has a merchant keeps it; a new one joins `merchant`. Its first sync begins."""
        row = apply_grant(
            held.row,
            name=name,
            merchant=(held.row.merchant if held.row else None) or merchant,
            scopes=grant.scopes,
            granted_at=grant.granted_at,
            tokens=self._cipher.encrypt_grant(name, grant),
            granted_by=grant.granted_by,
        )
        assert row.wanted_sync is not None
        await held.save(row)
        await held.start_probe(row.wanted_sync, status=PENDING_STATUS, result=PENDING_RESULT)
        log.info("connection granted", connection=name, sync_id=str(row.wanted_sync))
        return row

    def _name(self, account: str) -> str:
        return f"{self._platform}:{account}"
