"""Sessions of browsers. A session holds proofs, and a proof gives rights over its own connection alone, for some time.

A browser proves a connection by signing in at its account. Signing in again renews the proof.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from fastapi import Request

from gateway.audit import MERCHANT, Actor
from gateway.requesters import LockedProofs, StaleProofError
from gateway.sessions.browser_keys import SESSION, BrowserKeys
from gateway.sessions.browsers import MAX_NAME_LENGTH, Browser
from gateway.sessions.cookies import Cookies, create_cookie_value
from gateway.store.sessions import SessionStore
from platform_sdk.errors import NotFoundError
from service.client_addresses import ClientAddresses

UNATTENDED = "unattended"
"""The query parameter of requests that a page makes by itself: they do not keep its session from becoming idle."""


@dataclass(frozen=True)
class SessionLimits:
    """How long sessions and proofs last, in seconds.

    A session ends `session_seconds` after its latest sign-in at the latest. A proof lets its connection be read for
    `read_seconds` and changed for `act_seconds`.
    """

    session_seconds: int
    read_seconds: int
    act_seconds: int


@dataclass(frozen=True)
class Session:
    """A browser's open session: which connections it may read, and which it may change.

    `cookie` is the value of the session cookie, `proof_ages` are the seconds since each connection was proved, when the
    request came. Pages are shown by these; what changes a connection reads its proof again under the lock.
    """

    id: UUID
    cookie: str = field(repr=False)
    browser: Browser
    proof_ages: Mapping[str, float]
    limits: SessionLimits

    @property
    def actor(self) -> Actor:
        """Who acts in this session, for the audit log."""
        return Actor(MERCHANT, self.id, self.browser)

    @property
    def readable_connections(self) -> list[str]:
        """The names of the connections that this session may read, sorted."""
        return sorted(name for name in self.proof_ages if self.can_read(name))

    def can_read(self, connection: str) -> bool:
        """Return whether the session may read this connection and its syncs."""
        age = self.proof_ages.get(connection)
        return age is not None and age <= self.limits.read_seconds

    def can_act(self, connection: str) -> bool:
        """Return whether the session may change, disconnect or delete this connection: its proof is fresh."""
        age = self.proof_ages.get(connection)
        return age is not None and age <= self.limits.act_seconds

    def check_reading(self, connection: str) -> None:
        """Raise NotFoundError unless the session may read the connection."""
        if not self.can_read(connection):
            raise NotFoundError

    def check_acting(self, connection: str) -> None:
        """Raise NotFoundError unless the session may read the connection, StaleProofError unless it may change it."""
        self.check_reading(connection)
        if not self.can_act(connection):
            raise StaleProofError(connection)

    async def require_reading(self, locked: LockedProofs) -> None:
        """Raise NotFoundError unless the session may read the locked connection now."""
        (await self._reload(locked)).check_reading(locked.name)

    async def require_acting(self, locked: LockedProofs) -> None:
        """Raise the errors of `check_acting` unless the session may change the locked connection now."""
        (await self._reload(locked)).check_acting(locked.name)

    async def _reload(self, locked: LockedProofs) -> "Session":
        """Return the session with only its proof of the locked connection, as that is stored now."""
        age = await locked.load_proof_age(self.id)
        return replace(self, proof_ages={} if age is None else {locked.name: age})


@dataclass(frozen=True)
class Visitor:
    """Who sends a request: a browser, and the value of its session cookie, if it has one."""

    cookie: str | None = field(repr=False)
    browser: Browser


@dataclass(frozen=True)
class OpenedSession:
    """A session that a sign-in has opened or renewed. `cookie` is the new value of its session cookie."""

    id: UUID
    cookie: str = field(repr=False)
    browser: Browser

    @property
    def actor(self) -> Actor:
        """Who acts in this session, for the audit log."""
        return Actor(MERCHANT, self.id, self.browser)


class Sessions:
    """Finds the session of a request, opens sessions at a sign-in, and ends them."""

    def __init__(
        self,
        store: SessionStore,
        cookies: Cookies,
        keys: BrowserKeys,
        limits: SessionLimits,
        addresses: ClientAddresses,
    ) -> None:
        self._store = store
        self._addresses = addresses
        self._cookies = cookies
        self._keys = keys
        self._limits = limits

    def identify_visitor(self, request: Request) -> Visitor:
        """Return who sends this request."""
        name = request.headers.get("user-agent", "")[:MAX_NAME_LENGTH]
        peer = request.client.host if request.client else ""
        address = self._addresses.find_client(peer, request.scope["headers"]) or peer
        return Visitor(self._cookies.get_session(request), Browser(address, name))

    async def find(self, request: Request) -> Session | None:
        """Return the open session of the request's cookie; None where there is none.

        The session counts as used, unless the request has the query parameter `UNATTENDED`.
        """
        visitor = self.identify_visitor(request)
        if visitor.cookie is None:
            return None
        is_used = UNATTENDED not in request.query_params
        stored = await self._store.find(self._keys.hash_value(SESSION, visitor.cookie), is_used=is_used)
        if stored is None:
            return None
        return Session(stored.id, visitor.cookie, visitor.browser, stored.proof_ages, self._limits)

    async def open_or_renew(self, store: SessionStore, visitor: Visitor) -> OpenedSession:
        """Return the visitor's open session under a new cookie, or a new session.

        `store` belongs to the transaction in which this is stored. Whoever knew the old cookie, or planted it in this
        browser, cannot use the session any more.
        """
        cookie = create_cookie_value()
        old = self._keys.hash_value(SESSION, visitor.cookie) if visitor.cookie else None
        new = self._keys.hash_value(SESSION, cookie)
        session = await store.open_or_renew(old, new, visitor.browser, self._limits.session_seconds)
        return OpenedSession(session, cookie, visitor.browser)

    async def end(self, session: Session) -> None:
        """End the session: its cookie is not valid any more."""
        await self._store.end(self._keys.hash_value(SESSION, session.cookie))

    def build_form_token(self, session: Session) -> str:
        """Return the token in the forms on this session's HTML pages, which proves that such a page sent the form."""
        return self._keys.build_form_token(session.cookie)
