"""OAuth as Shopify grants it: codes that are good once, access tokens, and refresh tokens that rotate."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

ACCESS_SECONDS = 3_600
REFRESH_SECONDS = 7_776_000
_CODE_SECONDS = 60


class GrantError(Exception):
    """A token request that is refused; `code` is what `error` says."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


@dataclass(slots=True)
class RefreshToken:
    """`replacement` was handed out for it, and until that is used, this one may be sent again."""

    expires_at: float
    replacement: str | None = None


@dataclass(slots=True)
class Grants:
    """What one shop granted to the one app. `override` is a merchant's choice to grant less than is asked for."""

    scopes: list[str] = field(default_factory=list)
    override: list[str] | None = None
    installed: bool = False
    codes: dict[str, float] = field(default_factory=dict)
    access: dict[str, float | None] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)

    def authorize(self, asked: str, clock: Callable[[], float] = time.time) -> str:
        """The merchant accepts: a code for the scopes in `asked`, or for those of `override` that are among them."""
        wanted = [scope.strip() for scope in asked.split(",") if scope.strip()]
        granted = wanted if self.override is None else [scope for scope in wanted if scope in self.override]
        self.scopes = sorted(set(granted))
        code = secrets.token_hex(16)
        self.codes[code] = clock() + _CODE_SECONDS
        return code

    def exchange(self, code: str, *, expiring: bool, clock: Callable[[], float] = time.time) -> dict[str, Any]:
        """Tokens for a code, once. Raises GrantError."""
        if self.codes.pop(code, 0.0) < clock():
            raise GrantError("invalid_request", "The authorization code was not found or was already used")
        self.installed = True
        self.refresh.clear()
        return self._issue(expiring, clock())

    def renew(self, token: str, clock: Callable[[], float] = time.time) -> dict[str, Any]:
        """New tokens for a refresh token. Raises GrantError."""
        if not self.installed:
            raise GrantError("invalid_client", "The application is not installed")
        known = self.refresh.get(token)
        if known is None or known.expires_at < clock():
            raise GrantError("invalid_grant", "The refresh token is invalid or has expired")
        self._retire_older_than(token)
        if known.replacement is not None:
            return self._pair(clock(), known.replacement)
        answer = self._issue(True, clock())
        known.replacement = answer["refresh_token"]
        return answer

    def accepts(self, token: str, clock: Callable[[], float] = time.time) -> bool:
        """Whether an access token is good now."""
        if token not in self.access:
            return False
        expires_at = self.access[token]
        return expires_at is None or expires_at > clock()

    def expire_access(self) -> None:
        """All access tokens expire now; refresh tokens stay."""
        self.access.clear()

    def revoke_refresh(self) -> None:
        """All refresh tokens are revoked; access tokens stay until they expire."""
        self.refresh.clear()

    def uninstall(self) -> None:
        """The merchant removes the app: no token of any kind is good any more."""
        self.installed = False
        self.codes.clear()
        self.access.clear()
        self.refresh.clear()

    def _issue(self, expiring: bool, at: float) -> dict[str, Any]:
        if not expiring:
            return {"access_token": self._new_access(None), "scope": ",".join(self.scopes)}
        token = f"shprt_{secrets.token_hex(20)}"
        self.refresh[token] = RefreshToken(at + REFRESH_SECONDS)
        return self._pair(at, token)

    def _pair(self, at: float, refresh: str) -> dict[str, Any]:
        self.access = {token: until for token, until in self.access.items() if until is None or until > at}
        return {
            "access_token": self._new_access(at + ACCESS_SECONDS),
            "expires_in": ACCESS_SECONDS,
            "refresh_token": refresh,
            "refresh_token_expires_in": int(self.refresh[refresh].expires_at - at),
            "scope": ",".join(self.scopes),
        }

    def _new_access(self, expires_at: float | None) -> str:
        token = f"shpat_{secrets.token_hex(20)}"
        self.access[token] = expires_at
        return token

    def _retire_older_than(self, token: str) -> None:
        for older in [name for name, known in self.refresh.items() if known.replacement == token]:
            del self.refresh[older]

    def dump(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


def revive(body: Mapping[str, Any]) -> Grants:
    """Grants from what `dump` gave."""
    return Grants(**{**body, "refresh": {token: RefreshToken(**known) for token, known in body["refresh"].items()}})


def signed(params: Mapping[str, str], secret: str) -> str:
    """The query string of a callback: `params` and their hmac, hex over the sorted pairs."""
    message = "&".join(f"{key}={value}" for key, value in sorted(params.items()))
    digest = hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    pairs = sorted({**params, "hmac": digest}.items())
    return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs)
