"""Signing in by a platform's consent: a state bound to a browser, a code exchanged under the connection's lock.

Killed after the exchange and before the commit, nothing is stored, and the merchant starts again; killed after the
commit, the outbox says the connection, and the merchant's next login finds it.
"""

import hmac
import secrets
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from gateway.connections import Connection, HeldConnection, granted
from gateway.grants import Grant
from gateway.problems import Refusal
from gateway.sealing import Sealer, derived_key
from gateway.selftests import PENDING_STATUS, PENDING_TEST
from gateway.tokens import sealed

log = structlog.get_logger()

STATE_SECONDS = 600


class HeldForConsent(HeldConnection, Protocol):
    """A connection under its lock, with what a consent writes beside it in the same transaction."""

    async def session_merchant(self, id_hash: bytes | None) -> UUID | None:
        """Whose session it is."""

    async def replace_session(self, old: bytes | None, new: bytes, merchant: UUID, seconds: int) -> None:
        """End one session, open another."""

    async def open_self_test(self, sync_id: UUID, *, status: object, test: object) -> None:
        """Begin the gateway's part of a sync."""


class LoginStore(Protocol):
    """The store, as far as logins need it."""

    async def start_login(self, *, state_hash: bytes, browser_hash: bytes, connection: str, seconds: int) -> None:
        """Remember a state."""

    async def take_login(self, *, state_hash: bytes, browser_hash: bytes, connection: str) -> bool:
        """Use a state up."""

    def held(self, name: str) -> AbstractAsyncContextManager[HeldForConsent]:
        """A connection under its lock, for one transaction."""


class CodeExchange(Protocol):
    """A platform's token endpoint. Raises `CodeRefused` or `PlatformAway`."""

    async def exchange(self, account: str, code: str) -> Grant:
        """The grant for an authorization code."""


class BrowserKeys:
    """How what browsers hold is kept: hashed, under a key for each purpose derived from STATE_TOKEN_SECRET."""

    def __init__(self, secret: str) -> None:
        self._keys = {purpose: derived_key(secret, purpose) for purpose in ("state", "browser", "session", "form")}

    def hashed(self, purpose: str, value: str) -> bytes:
        """The hash under which a `state`, `browser` or `session` value is stored."""
        return hmac.digest(self._keys[purpose], value.encode("utf-8", "surrogateescape"), "sha256")

    def form_token(self, session: str) -> str:
        """What a form on a page of this session carries, so that no other page can send it."""
        return self.hashed("form", session).hex()


@dataclass(frozen=True)
class LoginStarted:
    """What the browser takes along: the state in the address, `browser` in a cookie of that name."""

    state: str = field(repr=False)
    browser: str = field(repr=False)
    cookie: str = ""


@dataclass(frozen=True)
class SignedIn:
    """A consent that was stored. `session` is the new cookie's value."""

    connection: Connection
    merchant: UUID
    session: str = field(repr=False)


def cookie_of(state: str) -> str:
    """The name of the cookie that binds this state to a browser: one a login, so that two tabs do not meet."""
    return "login_" + hmac.digest(b"cookie name", state.encode("utf-8", "surrogateescape"), "sha256").hex()[:16]


class Logins:
    """Logins at one platform."""

    def __init__(
        self,
        store: LoginStore,
        sealer: Sealer,
        remote: CodeExchange,
        keys: BrowserKeys,
        *,
        platform: str,
        session_seconds: int,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._remote = remote
        self._keys = keys
        self._platform = platform
        self._session_seconds = session_seconds

    async def start(self, account: str) -> LoginStarted:
        """A login of ten minutes for this account, in this browser."""
        started = LoginStarted(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        await self._store.start_login(
            state_hash=self._keys.hashed("state", started.state),
            browser_hash=self._keys.hashed("browser", started.browser),
            connection=f"{self._platform}:{account}",
            seconds=STATE_SECONDS,
        )
        return LoginStarted(started.state, started.browser, cookie_of(started.state))

    async def finish(self, account: str, *, code: str, state: str, browser: str, session: str | None) -> SignedIn:
        """Use the state up, exchange the code, store what it gave. `browser` and `session` are cookies' values.

        Raises `Refusal` for a state that is unknown, used, too old, another browser's or another account's;
        `CodeRefused`; `PlatformAway`. Then nothing was stored.
        """
        name = f"{self._platform}:{account}"
        taken = await self._store.take_login(
            state_hash=self._keys.hashed("state", state),
            browser_hash=self._keys.hashed("browser", browser),
            connection=name,
        )
        if not taken:
            raise Refusal("this login was used already, is too old, or was started in another browser")
        return await self._signed_in(name, account, code, self._keys.hashed("session", session) if session else None)

    async def _signed_in(self, name: str, account: str, code: str, old_session: bytes | None) -> SignedIn:
        session = secrets.token_urlsafe(32)
        async with self._store.held(name) as held:
            grant = await self._remote.exchange(account, code)
            row = await self._granted(held, name, grant, old_session)
            merchant = row.merchant
            assert merchant is not None
            await held.save(row)
            await self._open_first_sync(held, row)
            new = self._keys.hashed("session", session)
            await held.replace_session(old_session, new, merchant, self._session_seconds)
        log.info("connection granted", connection=name, sync_id=str(row.wanted_sync))
        return SignedIn(row, merchant, session)

    async def _granted(self, held: HeldForConsent, name: str, grant: Grant, session: bytes | None) -> Connection:
        """An account that has a merchant keeps it; a new one joins the session's merchant, or a new one."""
        kept = held.row.merchant if held.row else None
        return granted(
            held.row,
            name=name,
            merchant=kept or await held.session_merchant(session) or uuid4(),
            scopes=grant.scopes,
            granted_at=grant.granted_at,
            tokens=sealed(self._sealer, name, grant),
        )

    async def _open_first_sync(self, held: HeldForConsent, row: Connection) -> None:
        assert row.wanted_sync is not None
        await held.open_self_test(row.wanted_sync, status=PENDING_STATUS, test=PENDING_TEST)
