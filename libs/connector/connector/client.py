"""A client for the gateway's internal API, which gives access tokens to fetchers and writers.

Tokens are cached in memory. Only one request per merchant's connection is in progress at a time.
"""

import asyncio
import time
from collections.abc import Callable

import httpx
from pydantic import BaseModel, ValidationError

from messaging import tracing
from messaging.errors import InvalidMessageError, UnavailableError
from platform_sdk.errors import AccountBlockedError, ConnectionEndedError, PermanentError, RetryLaterError
from platform_sdk.tokens import AccessToken

TIMEOUT_SECONDS = 10.0
MAX_CACHED_MS = 600_000
"""The longest time in ms that a token is cached. Some tokens never expire, and the gateway does not notify callers
when it erases an account."""


class _TokenResponse(BaseModel):
    access_token: str
    expires_at: int | None
    epoch: int
    scopes: frozenset[str] = frozenset()


class _EndedResponse(BaseModel):
    state: str


class _UnavailableResponse(BaseModel):
    reason: str
    retry_after: float | None = None
    blocked: str | None = None


class TokenClient:
    """Gets the access tokens of merchants' connections from the gateway.

    `http` must not log bodies, because they hold tokens. `now` returns seconds since the Unix epoch.
    """

    def __init__(
        self, http: httpx.AsyncClient, gateway_url: str, key: str, *, now: Callable[[], float] = time.time
    ) -> None:
        self._http = http
        self._url = gateway_url.rstrip("/") + "/internal/tokens"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._now = now
        self._cache: dict[str, AccessToken] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.health_error: str | None = None
        """The reason why the gateway fails, for /ready; None while the gateway answers."""

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """Return a token of the connection, from the cache if a valid one is there.

        The token's epoch (the number that rises when the connection ends) is `epoch` or later. With `fresh` the gateway
        is always asked, so that the token has the scopes that are granted now. Raises:

        - `ConnectionEndedError` when the connection is uninstalled or redacted, or must be authorised again;
        - `PermanentError` when the gateway does not know the connection;
        - `RetryLaterError` when the gateway has no token of the connection at present;
        - `AccountBlockedError` when that is because the platform refuses every call about the account;
        - `InvalidMessageError` when this service may not have tokens of the connection;
        - `UnavailableError` when the gateway does not answer or fails.
        """
        async with self._locks.setdefault(connection, asyncio.Lock()):
            cached = self._cache.get(connection)
            if not fresh and cached is not None and cached.is_valid_for(epoch, round(self._now() * 1000)):
                return cached
            return await self._request_token(self._url, connection, {"connection": connection, "epoch": epoch})

    async def replace_rejected_token(self, token: AccessToken) -> AccessToken:
        """Report to the gateway that the platform rejected `token`, and return its replacement.

        When another caller has replaced the token already, the replacement comes from the cache. Raises the same errors
        as `get_token`.
        """
        async with self._locks.setdefault(token.connection, asyncio.Lock()):
            cached = self._cache.get(token.connection)
            if cached is not None and cached.token != token.token:
                return cached
            self._cache.pop(token.connection, None)
            body: dict[str, str | int] = {
                "connection": token.connection,
                "epoch": token.epoch,
                "access_token_sha256": token.fingerprint,
            }
            return await self._request_token(f"{self._url}/refused", token.connection, body)

    async def _request_token(self, url: str, connection: str, body: dict[str, str | int]) -> AccessToken:
        try:
            with tracing.trace_call("POST", url) as span:
                response = await self._http.post(url, json=body, headers=self._headers, timeout=TIMEOUT_SECONDS)
                tracing.record_status(span, response.status_code)
            token = _parse_response(connection, response, round(self._now() * 1000))
        except httpx.HTTPError as error:
            self.health_error = f"gateway: {type(error).__name__}"
            raise UnavailableError(self.health_error) from None
        except UnavailableError as error:
            self.health_error = str(error)
            raise
        except (RetryLaterError, AccountBlockedError):
            self.health_error = None
            raise
        except (PermanentError, InvalidMessageError):
            self.health_error = None
            self._cache.pop(connection, None)
            raise
        self.health_error = None
        self._cache[connection] = token
        return token


def _parse_response(connection: str, response: httpx.Response, now: int) -> AccessToken:
    """Return the token in the gateway's response, which arrived at `now` (ms since the Unix epoch).

    Raises `ConnectionEndedError` for status 409, `RetryLaterError` or `AccountBlockedError` for 424, and
    `PermanentError` for 404: these concern only this connection. Raises `InvalidMessageError` for 403, because the
    request is of another platform. Raises `UnavailableError` for every other status, because the gateway itself has
    a problem. No error contains the body of the response.
    """
    try:
        if response.status_code == 200:
            granted = _TokenResponse.model_validate_json(response.content)
            cached_until = now + MAX_CACHED_MS
            expires_at = cached_until if granted.expires_at is None else min(granted.expires_at, cached_until)
            return AccessToken(connection, granted.epoch, granted.access_token, granted.scopes, expires_at)
        if response.status_code == 409:
            raise ConnectionEndedError(_EndedResponse.model_validate_json(response.content).state)
        if response.status_code == 424:
            unavailable = _UnavailableResponse.model_validate_json(response.content)
            if unavailable.blocked is not None:
                raise AccountBlockedError(unavailable.blocked)
            raise RetryLaterError(unavailable.reason[:300], seconds=unavailable.retry_after or None, escalates=True)
    except ValidationError:
        raise UnavailableError(f"gateway answered {response.status_code} in no known form") from None
    if response.status_code == 404:
        raise PermanentError("the gateway does not know this connection")
    if response.status_code == 403:
        raise InvalidMessageError("the gateway gives this service no tokens of this connection")
    raise UnavailableError(f"gateway answered {response.status_code}")
