"""Access tokens from the gateway's internal API: cached in memory, requested once at a time per connection."""

import asyncio
import time
from collections.abc import Callable

import httpx
from pydantic import BaseModel, ValidationError

from messaging import tracing
from messaging.errors import InvalidMessageError, UnavailableError
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError
from platform_sdk.tokens import AccessToken

TIMEOUT_SECONDS = 10.0
MAX_CACHED_MS = 600_000
"""A token is cached no longer than this: some never expire, and the gateway does not tell when an account is erased."""


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


class TokenClient:
    """Gets the tokens of connections. `http` must not log bodies; `now` is in seconds since the Unix epoch."""

    def __init__(
        self, http: httpx.AsyncClient, gateway_url: str, internal_key: str, *, now: Callable[[], float] = time.time
    ) -> None:
        self._http = http
        self._url = gateway_url.rstrip("/") + "/internal/tokens"
        self._headers = {"Authorization": f"Bearer {internal_key}"}
        self._now = now
        self._cache: dict[str, AccessToken] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.health_error: str | None = None
        """Why the gateway gives no tokens, for /ready; None when it does."""

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """Return a token of at least this epoch, from the cache where it is valid; `fresh`: with the scopes of now."""
        async with self._locks.setdefault(connection, asyncio.Lock()):
            cached = self._cache.get(connection)
            if not fresh and cached is not None and cached.is_valid_for(epoch, round(self._now() * 1000)):
                return cached
            return await self._request(self._url, connection, {"connection": connection, "epoch": epoch})

    async def replace_token(self, token: AccessToken) -> AccessToken:
        """Report that the platform rejected `token`, and return the new one; a second caller gets it from the cache."""
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
            return await self._request(f"{self._url}/refused", token.connection, body)

    async def _request(self, url: str, connection: str, body: dict[str, str | int]) -> AccessToken:
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
        except (RetryLaterError, PermanentError, InvalidMessageError) as error:
            self.health_error = None
            if not isinstance(error, RetryLaterError):
                self._cache.pop(connection, None)
            raise
        self.health_error = None
        self._cache[connection] = token
        return token


def _parse_response(connection: str, response: httpx.Response, now: int) -> AccessToken:
    """Return the token in the gateway's response of `now` (ms); no error contains the response's body.

    424, 409 and 404 are about this connection alone, and 403 is a request that reached the wrong fetcher. Every other
    status means that the gateway itself has a problem: UnavailableError.
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
            raise RetryLaterError(
                f"no token: {unavailable.reason}"[:300], seconds=unavailable.retry_after or None, escalates=True
            )
    except ValidationError:
        raise UnavailableError(f"gateway answered {response.status_code} in no known form") from None
    if response.status_code == 404:
        raise PermanentError("the gateway does not know this connection")
    if response.status_code == 403:
        raise InvalidMessageError("the gateway gives this fetcher no tokens of this connection")
    raise UnavailableError(f"gateway answered {response.status_code}")
