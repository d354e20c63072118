"""Calls to the Graph API for the gateway: with proof of the app's secret, and errors by their code."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

import httpx
import structlog
from pydantic import BaseModel

from platform_sdk.errors import PermanentError, TokenRejectedError, TransientError
from platform_sdk.http_retries import REQUEST_TIMEOUT, FailedAttempt, parse_response, request_until_answered
from platforms.facebook.graph_responses import GraphErrorBody, parse_error
from platforms.facebook.manifest import MANIFEST
from platforms.facebook.settings import Settings

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)
Attempt = Callable[[], Awaitable[httpx.Response | FailedAttempt]]


def get_error_body(error: PermanentError) -> GraphErrorBody:
    """Return Graph's own error, which every PermanentError of `Graph` has."""
    assert isinstance(error.details, GraphErrorBody)
    return error.details


class Graph:
    """The Graph API for one app.

    Tokens are sent in headers and secrets in bodies, because addresses are logged on the way; `appsecret_proof` goes
    with every token. All calls raise TokenRejectedError for a dead token, PermanentError (see `get_error_body`) for a
    call that Graph refuses, and TransientError when Facebook throttles or does not answer within three attempts. No
    error's text holds what was sent.
    """

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._settings = settings
        self._version = settings.facebook_api_version
        self._served_version = self._version

    @property
    def remarks(self) -> tuple[str, ...]:
        """That Facebook answers with another API version than is requested, if it does."""
        if self._served_version == self._version:
            return ()
        return (f"Facebook answers as {self._served_version}, and FACEBOOK_API_VERSION is {self._version}",)

    async def get(self, model: type[M], path: str, token: str, **query: str) -> M:
        """Return what is at `path`."""
        return parse_response(MANIFEST.title, model, await self._call("GET", path, token, query))

    async def post(self, path: str, token: str, **form: str) -> None:
        """Change what is at `path`."""
        await self._call("POST", path, token, form)

    async def delete(self, path: str, token: str) -> None:
        """Remove what is at `path`."""
        await self._call("DELETE", path, token, {})

    async def request_token(self, **form: str) -> httpx.Response:
        """Return the response of the token endpoint."""
        app = {"client_id": self._settings.facebook_app_id, "client_secret": self._settings.secret}
        return await self._call("POST", "oauth/access_token", "", {**app, **form})

    async def request(self, send: Attempt) -> httpx.Response:
        """Return the response of the attempts `send`, which call `send_once`."""
        if not self._settings.is_configured:
            raise TransientError("Facebook is not configured here")
        response = await request_until_answered(MANIFEST.title, send)
        if response.status_code != 200:
            raise TransientError(f"Facebook answers HTTP {response.status_code}")
        return response

    async def send_once(
        self, method: str, path: str, token: str, values: Mapping[str, str]
    ) -> httpx.Response | FailedAttempt:
        """Make one attempt at a call."""
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        signed = {**values, **({"appsecret_proof": self._compute_proof(token)} if token else {})}
        query, form = (None, signed) if method == "POST" else (signed, None)
        url = f"{self._settings.facebook_graph_url}/{self._version}/{path}"
        response = await self._http.request(
            method, url, params=query, data=form, headers=headers, timeout=REQUEST_TIMEOUT
        )
        self._note_version(response.headers.get("facebook-api-version", ""))
        return response if response.status_code == 200 else _interpret_error(response, path)

    async def _call(self, method: str, path: str, token: str, values: Mapping[str, str]) -> httpx.Response:
        return await self.request(partial(self.send_once, method, path, token, values))

    def _compute_proof(self, token: str) -> str:
        """Return the `appsecret_proof` of a token, which shows that the owner of the app's secret sends it."""
        return hmac.digest(self._settings.secret.encode(), token.encode(), "sha256").hex()

    def _note_version(self, served: str) -> None:
        if served and served != self._served_version:
            self._served_version = served
            for remark in self.remarks:
                log.error("another version of Graph answers", reason=remark)


def _interpret_error(response: httpx.Response, path: str) -> httpx.Response | FailedAttempt:
    """Raise what an error means, by its code; return a failed attempt where another one may help, and a response
    without an error as it is."""
    error = parse_error(response.content)
    if error is None:
        return response
    if error.is_dead_token:
        raise TokenRejectedError(f"error {error.label}")
    if error.is_throttle:
        raise TransientError(f"Facebook answers that too much is asked of it (error {error.label})")
    if error.can_pass:
        return FailedAttempt(f"error {error.label}")
    log.warning("call refused", path=path, graph_error=error.label)
    raise PermanentError(error.reason, details=error)
