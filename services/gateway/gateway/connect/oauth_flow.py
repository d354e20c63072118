"""Signing in by a platform's consent: a state bound to a browser, a code exchanged, what it gave stored as one.

Killed after the exchange and before the commit, nothing is stored, and the merchant starts again; killed after the
commit, the outbox says the connection, and the merchant's next login finds it.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from gateway.connections import Connection, HeldConnection, granted
from gateway.errors import Refusal
from gateway.grants import Grant
from gateway.sessions.browser_keys import BrowserKeys
from gateway.tokens.encryption import Sealer
from gateway.tokens.service import sealed
from gateway.webhooks.probe import PENDING_STATUS, PENDING_TEST

log = structlog.get_logger()

STATE_SECONDS = 600


class HeldForConsent(HeldConnection, Protocol):
    """A connection under its lock, with what a consent writes beside it in the same transaction."""

    async def open_self_test(self, sync_id: UUID, *, status: object, test: object) -> None:
        """Begin the gateway's part of a sync."""


class ConsentHeld(Protocol):
    """The connections of one consent under their locks, and the session that it is given in."""

    @property
    def connections(self) -> Mapping[str, HeldForConsent]:
        """Each by its name."""

    async def session_merchant(self, id_hash: bytes | None) -> UUID | None:
        """Whose session it is."""

    async def prolong_session(self, id_hash: bytes, seconds: int) -> None:
        """Let it live so long from now."""

    async def replace_session(self, old: bytes | None, new: bytes, merchant: UUID, seconds: int) -> None:
        """End one session, open another."""


class LoginStore(Protocol):
    """The store, as far as logins need it."""

    async def start_login(self, *, state_hash: bytes, browser_hash: bytes, connection: str, seconds: int) -> None:
        """Remember a state."""

    async def take_login(self, *, state_hash: bytes, browser_hash: bytes, connection: str) -> bool:
        """Use a state up."""

    def held_together(self, names: Iterable[str]) -> AbstractAsyncContextManager[ConsentHeld]:
        """All these connections under their locks, for one transaction."""


class CodeExchange(Protocol):
    """A platform's token endpoint. Raises `CodeRefused`, `NotGranted` or `PlatformAway`."""

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
        store: LoginStore,
        sealer: Sealer,
        remote: CodeExchange,
        keys: BrowserKeys,
        *,
        platform: str,
        session_seconds: int,
        sessions_go_on: bool = False,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._remote = remote
        self._keys = keys
        self._platform = platform
        self._session_seconds = session_seconds
        self._sessions_go_on = sessions_go_on

    async def start(self, account: str = "") -> LoginStarted:
        """A login of ten minutes in this browser, for this account; none where the consent is to tell which."""
        started = LoginStarted(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        await self._store.start_login(
            state_hash=self._keys.hashed("state", started.state),
            browser_hash=self._keys.hashed("browser", started.browser),
            connection=self._name(account),
            seconds=STATE_SECONDS,
        )
        return LoginStarted(started.state, started.browser, cookie_of(started.state))

    async def finish(self, account: str = "", *, code: str, state: str, browser: str, session: str | None) -> SignedIn:
        """Use the state up, exchange the code, store what it gave. `browser` and `session` are cookies' values.

        Raises `Refusal` for a state that is unknown, used, too old, another browser's or another account's;
        `CodeRefused`; `NotGranted`; `PlatformAway`. Then nothing was stored.
        """
        taken = await self._store.take_login(
            state_hash=self._keys.hashed("state", state),
            browser_hash=self._keys.hashed("browser", browser),
            connection=self._name(account),
        )
        if not taken:
            raise Refusal("this login was used already, is too old, or was started in another browser")
        if account:
            # Its tokens may rotate, so the code is exchanged under the lock that a refresh takes.
            async with self._store.held_together([self._name(account)]) as held:
                return await self._signed_in(held, await self._remote.exchange(account, code), session)
        grants = await self._remote.exchange(account, code)
        async with self._store.held_together(map(self._name, grants)) as held:
            return await self._signed_in(held, grants, session)

    async def _signed_in(self, held: ConsentHeld, grants: Mapping[str, Grant], session: str | None) -> SignedIn:
        by_name = {self._name(account): grant for account, grant in grants.items()}
        known = [one.row.merchant for one in held.connections.values() if one.row and one.row.merchant]
        old = self._keys.hashed("session", session) if session else None
        before = await held.session_merchant(old)
        merchant = merchant_of(before, known)
        rows = [await self._granted(one, name, by_name[name], merchant) for name, one in held.connections.items()]
        if self._sessions_go_on and session and old and before == merchant:
            await held.prolong_session(old, self._session_seconds)
        else:
            session = secrets.token_urlsafe(32)
            await held.replace_session(old, self._keys.hashed("session", session), merchant, self._session_seconds)
        return SignedIn(tuple(rows), by_name, merchant, session)

    async def _granted(self, held: HeldForConsent, name: str, grant: Grant, merchant: UUID) -> Connection:
        """An account that has a merchant keeps it; a new one joins `merchant`. Its first sync begins."""
        row = granted(
            held.row,
            name=name,
            merchant=(held.row.merchant if held.row else None) or merchant,
            scopes=grant.scopes,
            granted_at=grant.granted_at,
            tokens=sealed(self._sealer, name, grant),
            holder=grant.holder,
        )
        assert row.wanted_sync is not None
        await held.save(row)
        await held.open_self_test(row.wanted_sync, status=PENDING_STATUS, test=PENDING_TEST)
        log.info("connection granted", connection=name, sync_id=str(row.wanted_sync))
        return row

    def _name(self, account: str) -> str:
        return f"{self._platform}:{account}"
