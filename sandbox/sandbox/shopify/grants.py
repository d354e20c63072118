"""Shopify's OAuth: authorization codes that work once, access tokens, and refresh tokens that rotate."""

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
ONLINE_SECONDS = 86_399
"""How long an online token is valid: one for a logged-in user, which cannot be refreshed."""
_CODE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class TokenRefusal:
    """A refused token request. `code` is the OAuth error code, `description` an explanation for people."""

    code: str
    description: str


@dataclass(slots=True)
class RefreshToken:
    """A refresh token. `replacement` is the refresh token that replaced it, or None.

    As long as the replacement has not been used, this token may be used again.
    """

    expires_at: float
    replacement: str | None = None


@dataclass(slots=True)
class Grants:
    """The scopes that a merchant granted to the app, and all authorization codes and tokens of the app.

    - `override`: the only scopes that the merchant grants at the next consent; None sets no limit.
    - `online_codes`: those of `codes` that are exchanged for online tokens.
    - `codes`, `access`: the Unix time at which each code or access token expires. None means that it never expires.
    - `refresh`: the refresh tokens.
    """

    scopes: list[str] = field(default_factory=list)
    override: list[str] | None = None
    installed: bool = False
    codes: dict[str, float] = field(default_factory=dict)
    access: dict[str, float | None] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)
    online_codes: list[str] = field(default_factory=list)

    def grant_and_issue_code(
        self, requested_scopes: str, clock: Callable[[], float] = time.time, *, online: bool = False
    ) -> str:
        """Grant the requested scopes, which are separated by commas, and return an authorization code.

        If `override` is set, scopes that it does not contain are not granted. `clock` returns Unix seconds. With
        `online` the code is exchanged for an online token.
        """
        scopes = [scope.strip() for scope in requested_scopes.split(",") if scope.strip()]
        self.scopes = sorted({scope for scope in scopes if self.override is None or scope in self.override})
        code = secrets.token_hex(16)
        self.codes[code] = clock() + _CODE_SECONDS
        if online:
            self.online_codes.append(code)
        return code

    def exchange_code(
        self, code: str, *, expiring: bool, clock: Callable[[], float] = time.time
    ) -> dict[str, Any] | TokenRefusal:
        """Exchange an authorization code for tokens, which is possible once. Return the body of the token response.

        Returns a TokenRefusal if the code is unknown, used or expired. If `expiring`, the access token expires and
        comes with a refresh token. An online token leaves the tokens that were issued before as they are.
        """
        if self.codes.pop(code, 0.0) < clock():
            return TokenRefusal("invalid_request", "The authorization code was not found or was already used")
        self.installed = True
        if code in self.online_codes:
            self.online_codes.remove(code)
            return self._issue_online_token(clock())
        self.refresh.clear()
        return self._issue_tokens(expiring, clock())

    def renew_tokens(self, token: str, clock: Callable[[], float] = time.time) -> dict[str, Any] | TokenRefusal:
        """Issue new tokens for a refresh token. Return the body of the token response.

        Returns a TokenRefusal if the app is not installed, or if the refresh token is unknown or expired.
        """
        if not self.installed:
            return TokenRefusal("invalid_client", "The application is not installed")
        refresh_token = self.refresh.get(token)
        if refresh_token is None or refresh_token.expires_at < clock():
            return TokenRefusal("invalid_grant", "The refresh token is invalid or has expired")
        self._delete_predecessors(token)
        if refresh_token.replacement is not None:
            return self._issue_token_pair(clock(), refresh_token.replacement)
        body = self._issue_tokens(True, clock())
        refresh_token.replacement = body["refresh_token"]
        return body

    def is_valid_access_token(self, token: str, clock: Callable[[], float] = time.time) -> bool:
        """Return whether the access token exists and has not expired."""
        if token not in self.access:
            return False
        expires_at = self.access[token]
        return expires_at is None or expires_at > clock()

    def expire_access_tokens(self) -> None:
        """Let all access tokens expire now. Refresh tokens stay valid."""
        self.access.clear()

    def revoke_refresh_tokens(self) -> None:
        """Revoke all refresh tokens. Access tokens stay valid until they expire."""
        self.refresh.clear()

    def uninstall(self) -> None:
        """Uninstall the app: all its codes and tokens become invalid."""
        self.installed = False
        self.codes.clear()
        self.online_codes.clear()
        self.access.clear()
        self.refresh.clear()

    def _issue_tokens(self, expiring: bool, at: float) -> dict[str, Any]:
        if not expiring:
            return {"access_token": self._create_access_token(None), "scope": ",".join(self.scopes)}
        token = f"shprt_{secrets.token_hex(20)}"
        self.refresh[token] = RefreshToken(at + REFRESH_SECONDS)
        return self._issue_token_pair(at, token)

    def _issue_online_token(self, at: float) -> dict[str, Any]:
        scope = ",".join(self.scopes)
        return {
            "access_token": self._create_access_token(at + ONLINE_SECONDS),
            "expires_in": ONLINE_SECONDS,
            "scope": scope,
            "associated_user_scope": scope,
            "associated_user": {
                "id": 902541635,
                "first_name": "Olga",
                "last_name": "Owner",
                "email": "owner@shop.example",
                "email_verified": True,
                "account_owner": True,
                "locale": "en",
                "collaborator": False,
            },
        }

    def _issue_token_pair(self, at: float, refresh: str) -> dict[str, Any]:
        # Expired tokens are removed here, so that they do not pile up.
        self.access = {token: end for token, end in self.access.items() if end is None or end > at}
        return {
            "access_token": self._create_access_token(at + ACCESS_SECONDS),
            "expires_in": ACCESS_SECONDS,
            "refresh_token": refresh,
            "refresh_token_expires_in": int(self.refresh[refresh].expires_at - at),
            "scope": ",".join(self.scopes),
        }

    def _create_access_token(self, expires_at: float | None) -> str:
        token = f"shpat_{secrets.token_hex(20)}"
        self.access[token] = expires_at
        return token

    def _delete_predecessors(self, token: str) -> None:
        """Delete the refresh tokens that `token` replaced. The use of `token` shows that the app received it."""
        for predecessor in [name for name, other in self.refresh.items() if other.replacement == token]:
            del self.refresh[predecessor]

    def dump(self) -> dict[str, Any]:
        """Return the grants (scopes, codes and tokens) as the JSON object that the sandbox stores."""
        return asdict(self)


def load_grants(body: Mapping[str, Any]) -> Grants:
    """Build the grants from the JSON that `Grants.dump` returns."""
    return Grants(**{**body, "refresh": {token: RefreshToken(**fields) for token, fields in body["refresh"].items()}})


def build_signed_query(params: Mapping[str, str], secret: str) -> str:
    """Build the query string of the redirect back to the app: `params` and their signature `hmac`.

    The signature is the hexadecimal HMAC-SHA256 of the sorted parameters. `secret` is the API secret of the app.
    """
    message = "&".join(f"{key}={value}" for key, value in sorted(params.items()))
    digest = hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
    pairs = sorted({**params, "hmac": digest}.items())
    return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs)
