"""The gateway's calls to the Graph API. Each token is sent with a proof that the caller knows the app's secret."""

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
    """Return the error body in `error`, which must come from `Graph`: all its PermanentErrors have one."""
    assert isinstance(error.details, GraphErrorBody)
    return error.details


class Graph:
    """Calls the Graph API for one app.

    Tokens are sent in headers and secrets in bodies, because proxies log URLs. Every token is sent with its
    `appsecret_proof`. All calls raise TokenRejectedError for an invalid token, PermanentError (see `get_error_body`)
    for a call that Graph refuses, and TransientError when Facebook throttles the call or does not answer within three
    attempts. The texts of errors contain nothing of the request.
    """

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._settings = settings
        self._version = settings.facebook_api_version
        self._served_version = self._version

    @property
    def remarks(self) -> tuple[str, ...]:
        """A warning when Facebook responds with another API version than requested; otherwise empty."""
        if self._served_version == self._version:
            return ()
        return (f"Facebook answers as {self._served_version}, and FACEBOOK_API_VERSION is {self._version}",)

    async def get(self, model: type[M], path: str, token: str, **query: str) -> M:
        """Send a GET request for `path` and return the response as `model`."""
        return parse_response(MANIFEST.title, model, await self._call("GET", path, token, query))

    async def post(self, path: str, token: str, **form: str) -> None:
        """Send a POST request with `form` to `path`."""
        await self._call("POST", path, token, form)

    async def delete(self, path: str, token: str) -> None:
        """Send a DELETE request for `path`."""
        await self._call("DELETE", path, token, {})

    async def request_token(self, **form: str) -> httpx.Response:
        """Send a POST request with `form` and the app's credentials to the token endpoint, and return its response."""
        app = {"client_id": self._settings.facebook_app_id, "client_secret": self._settings.secret}
        return await self._call("POST", "oauth/access_token", "", {**app, **form})

    async def request(self, send: Attempt) -> httpx.Response:
        """Call `send` with retries and return its response. `send` makes one attempt with `send_once`.

        Raises TransientError when the platform is not configured and when the response has another status than 200.
        """
        if not self._settings.is_configured:
            raise TransientError("Facebook is not configured here")
        response = await request_until_answered(MANIFEST.title, send)
        if response.status_code != 200:
            raise TransientError(f"Facebook answers HTTP {response.status_code}")
        return response

    async def send_once(
        self, method: str, path: str, token: str, values: Mapping[str, str]
    ) -> httpx.Response | FailedAttempt:
        """Make one attempt of a call. `values` are the form fields of a POST request, or else the query parameters.

        Returns a failed attempt when another attempt may succeed, and raises TokenRejectedError, PermanentError or
        TransientError for all other errors of Graph.
        """
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
        """Return the `appsecret_proof` of a token. It proves that the sender of the token knows the app's secret."""
        return hmac.digest(self._settings.secret.encode(), token.encode(), "sha256").hex()

    def _note_version(self, served: str) -> None:
        if served and served != self._served_version:
            self._served_version = served
            for remark in self.remarks:
                log.error("another version of Graph answers", reason=remark)


def _interpret_error(response: httpx.Response, path: str) -> httpx.Response | FailedAttempt:
    """Raise the exception for Graph's error in a response, by the error's code.

    Returns a failed attempt when another attempt may succeed. A response without Graph's error is returned unchanged.
    """
    error = parse_error(response.content)
    if error is None:
        return response
    if error.is_dead_token:
        raise TokenRejectedError(f"error {error.label}")
    if error.is_throttle:
        raise TransientError(f"Facebook answers that too much is asked of it (error {error.label})")
    if error.can_succeed_later:
        return FailedAttempt(f"error {error.label}")
    log.warning("call refused", path=path, graph_error=error.label)
    raise PermanentError(error.reason, details=error)
