"""The sessions of the simulated phpMyAdmin, as PHP keeps them: by the value of a cookie, in memory."""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field


@dataclass
class DatabaseLogin:
    """The user and the password with which a session reaches a database server."""

    username: str
    password: str = field(repr=False)


@dataclass
class WebSession:
    """A session. `token` goes with every form; `logins` are those at database servers, by the server's number.

    PHP answers the requests of a session one after the other: `lock`. `open_requests` also counts those that wait.
    """

    id: str
    token: str
    secret: bytes
    logins: dict[str, DatabaseLogin] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    open_requests: int = 0

    def seal_login(self, server: str) -> str:
        """Return a new value of the cookie that proves the login at a server. Older values stay valid."""
        nonce = secrets.token_hex(8)
        return f"{nonce}.{self._sign(server, nonce)}"

    def is_login(self, server: str, sealed: str) -> bool:
        """Return whether a cookie proves the login at a server."""
        nonce, _, signature = sealed.partition(".")
        return server in self.logins and hmac.compare_digest(signature, self._sign(server, nonce))

    def _sign(self, server: str, nonce: str) -> str:
        return hmac.new(self.secret, f"{server}.{nonce}".encode(), hashlib.sha256).hexdigest()


class WebSessions:
    """All sessions."""

    def __init__(self) -> None:
        self._sessions: dict[str, WebSession] = {}

    def find(self, session_id: str) -> WebSession | None:
        """Return a session; None for one that is unknown or has ended."""
        return self._sessions.get(session_id)

    def start(self) -> WebSession:
        """Start a session."""
        session = WebSession(secrets.token_hex(16), secrets.token_hex(16), secrets.token_bytes(32))
        self._sessions[session.id] = session
        return session

    def renew(self, session: WebSession) -> WebSession:
        """Replace a session at its login by one with another id and another token."""
        renewed = self.start()
        renewed.logins, renewed.secret = session.logins, session.secret
        self.end(session)
        return renewed

    def end(self, session: WebSession) -> None:
        """End a session."""
        self._sessions.pop(session.id, None)

    def end_all(self) -> int:
        """End all sessions, and return how many there were at which somebody was signed in."""
        count = sum(bool(session.logins) for session in self._sessions.values())
        self._sessions.clear()
        return count
