"""The Graph API for the gateway: one call, with its proof, its errors by code, and the version that answers it."""

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

import httpx
import structlog
from pydantic import BaseModel

from gateway.client.answers import TIMEOUT, Again, parsed, until_answered
from gateway.platforms.facebook import Facebook
from gateway.platforms.facebook_graph import GraphError, error_of
from platform_sdk.errors import TokenRejectedError, TransientError

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)

TITLE = "Facebook"
_NO_APP = "Facebook is not configured here"


class GraphRefused(Exception):
    """Graph refuses this call, and no other attempt mends it."""

    def __init__(self, error: GraphError) -> None:
        super().__init__(error.said)
        self.error = error


class Graph:
    """Graph at `url`. Tokens go in headers and secrets in bodies, `appsecret_proof` with every token.

    All calls raise `TokenRejectedError` for a dead token, `GraphRefused`, and `TransientError` when it is throttled, or
    not answered after three attempts. No error's text holds what was sent.
    """

    def __init__(self, http: httpx.AsyncClient, app: Facebook, *, url: str) -> None:
        self._http = http
        self._app = app
        self._url = f"{url}/{app.version}"
        self._served = app.version

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever looks at the app's state should know: that another version answers than is asked."""
        if self._served == self._app.version:
            return ()
        return (f"Facebook answers as {self._served}, and FACEBOOK_API_VERSION is {self._app.version}",)

    async def get(self, kind: type[M], path: str, token: str, **query: str) -> M:
        """What is at `path`."""
        return parsed(TITLE, kind, await self._answered("GET", path, token, query))

    async def post(self, path: str, token: str, **form: str) -> None:
        """Change what is at `path`."""
        await self._answered("POST", path, token, form)

    async def delete(self, path: str, token: str) -> None:
        """Remove what is at `path`."""
        await self._answered("DELETE", path, token, {})

    async def token(self, **form: str) -> httpx.Response:
        """The token endpoint's answer."""
        own = {"client_id": self._app.app_id, "client_secret": self._app.secret}
        return await self._answered("POST", "oauth/access_token", "", {**own, **form})

    async def send(self, method: str, path: str, token: str, given: Mapping[str, str]) -> httpx.Response:
        """One attempt at a call; raises `Again` where another may help."""
        if not self._app.configured:
            raise TransientError(_NO_APP)
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        values = {**given, **({"appsecret_proof": self._app.proof(token)} if token else {})}
        query, form = (None, values) if method == "POST" else (values, None)
        url = f"{self._url}/{path}"
        answer = await self._http.request(method, url, params=query, data=form, headers=headers, timeout=TIMEOUT)
        self._look_at_version(answer.headers.get("facebook-api-version", ""))
        if answer.status_code != 200:
            _raise_for(answer, path)
        return answer

    async def _answered(self, method: str, path: str, token: str, given: Mapping[str, str]) -> httpx.Response:
        return await until_answered(TITLE, partial(self.send, method, path, token, given))

    def _look_at_version(self, served: str) -> None:
        if served and served != self._served:
            self._served = served
            for remark in self.remarks:
                log.error("another version of Graph answers", reason=remark)


def _raise_for(answer: httpx.Response, path: str) -> None:
    """Raise what an error means, by its code; a 5xx that says nothing is left to be asked again."""
    error = error_of(answer.content)
    if error is None:
        if not answer.is_server_error and answer.status_code != 429:
            raise TransientError(f"Facebook answers HTTP {answer.status_code}")
        return
    if error.is_dead_token:
        raise TokenRejectedError
    if error.is_throttle:
        raise TransientError(f"Facebook answers that too much is asked of it (error {error.number})")
    if error.passes:
        raise Again(f"error {error.number}")
    log.warning("graph refuses", path=path, graph_error=error.number)
    raise GraphRefused(error)
