"""Access tokens from the gateway's internal endpoint: cached in memory, asked for once at a time per connection."""

import asyncio
import time
from collections.abc import Callable

import httpx
from pydantic import BaseModel, ValidationError

from connector.tokens import AccessToken
from messaging import tracing
from messaging.errors import InvalidMessageError, UnavailableError
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError

TIMEOUT_SECONDS = 10.0
BELIEVED_MS = 600_000
"""So long a token is used from memory: some never expire, and whoever lets an account go is not asked here."""


class GatewayAway(UnavailableError):
    """The gateway did not answer with a token or a state: work is held."""


class _Granted(BaseModel):
    access_token: str
    expires_at: int | None
    epoch: int
    scopes: frozenset[str] = frozenset()


class _Ended(BaseModel):
    state: str


class _Silent(BaseModel):
    reason: str
    retry_after: float | None = None


class TokenClient:
    """Gives access to connections. `http` must not log bodies; `now` is in seconds since the epoch."""

    def __init__(
        self, http: httpx.AsyncClient, gateway_url: str, internal_key: str, *, now: Callable[[], float] = time.time
    ) -> None:
        self._http = http
        self._url = gateway_url.rstrip("/") + "/internal/tokens"
        self._headers = {"Authorization": f"Bearer {internal_key}"}
        self._now = now
        self._known: dict[str, AccessToken] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self.health_error: str | None = None
        """Why the gateway gives no tokens, for /ready; None when it does."""

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        """An access of at least this epoch, from memory where it serves; `anew` with the scopes of this moment."""
        async with self._locks.setdefault(connection, asyncio.Lock()):
            known = self._known.get(connection)
            if not fresh and known is not None and known.is_valid_for(epoch, round(self._now() * 1000)):
                return known
            return await self._ask(self._url, connection, {"connection": connection, "epoch": epoch})

    async def replace_token(self, access: AccessToken) -> AccessToken:
        """Report that the platform refused `access`; whoever comes second gets the new one without asking."""
        async with self._locks.setdefault(access.connection, asyncio.Lock()):
            known = self._known.get(access.connection)
            if known is not None and known.token != access.token:
                return known
            self._known.pop(access.connection, None)
            body: dict[str, str | int] = {
                "connection": access.connection,
                "epoch": access.epoch,
                "access_token_sha256": access.fingerprint,
            }
            return await self._ask(f"{self._url}/refused", access.connection, body)

    async def _ask(self, url: str, connection: str, body: dict[str, str | int]) -> AccessToken:
        try:
            with tracing.trace_call("POST", url) as span:
                answer = await self._http.post(url, json=body, headers=self._headers, timeout=TIMEOUT_SECONDS)
                tracing.record_status(span, answer.status_code)
            access = _understood(connection, answer, round(self._now() * 1000))
        except httpx.HTTPError as error:
            self.health_error = f"gateway: {type(error).__name__}"
            raise GatewayAway(self.health_error) from None
        except GatewayAway as away:
            self.health_error = str(away)
            raise
        except (RetryLaterError, PermanentError, InvalidMessageError) as error:
            self.health_error = None
            if not isinstance(error, RetryLaterError):
                self._known.pop(connection, None)
            raise
        self.health_error = None
        self._known[connection] = access
        return access


def _understood(connection: str, answer: httpx.Response, now: int) -> AccessToken:
    """The gateway's answer at `now` (ms), without ever putting its body into an error.

    Trouble of one connection is that connection's alone: 424 (its platform gives no token now), 409 and 404; 403 is a
    request that came to the wrong fetcher. All others are the gateway's own, and `GatewayAway`.
    """
    try:
        if answer.status_code == 200:
            granted = _Granted.model_validate_json(answer.content)
            believed_until = now + BELIEVED_MS
            ends = believed_until if granted.expires_at is None else min(granted.expires_at, believed_until)
            return AccessToken(connection, granted.epoch, granted.access_token, granted.scopes, ends)
        if answer.status_code == 409:
            raise ConnectionEndedError(_Ended.model_validate_json(answer.content).state)
        if answer.status_code == 424:
            silent = _Silent.model_validate_json(answer.content)
            raise RetryLaterError(
                f"no token: {silent.reason}"[:300], seconds=silent.retry_after or None, escalates=True
            )
    except ValidationError:
        raise GatewayAway(f"gateway answered {answer.status_code} in no known form") from None
    if answer.status_code == 404:
        raise PermanentError("the gateway does not know this connection")
    if answer.status_code == 403:
        raise InvalidMessageError("the gateway gives this fetcher no tokens of this connection")
    raise GatewayAway(f"gateway answered {answer.status_code}")
