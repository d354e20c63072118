"""The client of the linker's API, for the links of one merchant at a time."""

from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from gateway.links.views import LinkFailuresView, LinkPlanView, LinksView, LinkSyncsView, LinkView
from messaging.errors import UnavailableError
from platform_sdk.errors import NotFoundError, RequestRejectedError

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)

READ_TIMEOUT = httpx.Timeout(3.0, connect=1.0)
CHANGE_TIMEOUT = httpx.Timeout(15.0, connect=1.0)
"""A change may be about every product of a shop."""
SHOWN_LINES = 100
SHOWN_SYNCS = 10
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


class LinkerUnavailableError(UnavailableError):
    """Raised when the linker does not answer."""

    def __init__(self) -> None:
        super().__init__("the linker does not answer now")


class _LinkerRefusal(BaseModel):
    """The body with which the linker refuses a request: `detail` is the reason, or a list of invalid fields."""

    detail: str | list[dict[str, Any]]


class LinkerClient:
    """Calls the linker's API at `url` with this service's `key`.

    Every method raises LinkerUnavailableError when the linker does not answer, or answers with an error or wrong JSON.
    A link of another merchant is treated as if it did not exist.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, *, key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def list_links(self, merchant: UUID) -> list[LinkView]:
        """Return the merchant's links that have not ended, by their shops."""
        return (await self._fetch(_build_path(merchant), LinksView)).links

    async def fetch_link(self, merchant: UUID, shop: str) -> LinkView | None:
        """Return the shop's link; None where it has none of this merchant."""
        try:
            return await self._fetch(_build_path(merchant, shop), LinkView)
        except NotFoundError:
            return None

    async def fetch_plan(self, merchant: UUID, shop: str, *, action: str | None = None) -> LinkPlanView:
        """Return what the link would write, with the first hundred lines: with this action, or all.

        Raises NotFoundError where the shop has no link of this merchant.
        """
        query: dict[str, str | int] = {"limit": SHOWN_LINES, **({"action": action} if action else {})}
        return await self._fetch(_build_path(merchant, shop, "plan"), LinkPlanView, query)

    async def fetch_failures(self, merchant: UUID, shop: str) -> LinkFailuresView:
        """Return the first hundred writes that were refused or have failed.

        Raises NotFoundError where the shop has no link of this merchant.
        """
        return await self._fetch(_build_path(merchant, shop, "failures"), LinkFailuresView, {"limit": SHOWN_LINES})

    async def fetch_syncs(self, merchant: UUID, shop: str) -> LinkSyncsView:
        """Return the latest syncs of the link. Raises NotFoundError where the shop has no link of this merchant."""
        return await self._fetch(_build_path(merchant, shop, "syncs"), LinkSyncsView, {"limit": SHOWN_SYNCS})

    async def create_link(self, merchant: UUID, shop: str, database: str, settings: dict[str, Any]) -> None:
        """Link two connections of the merchant. Raises RequestRejectedError with the linker's reason."""
        body = {"shop": shop, "database": database, "settings": settings}
        await self._change(_build_path(merchant), body)

    async def change_link(self, merchant: UUID, shop: str, action: str, body: dict[str, Any]) -> None:
        """Do something with a link.

        `action` is the end of the route's path: `approve`, `settle`, `retry`, `book`, `syncs`, `pause`, `resume` or
        `end`, and `body` what that route reads. Raises RequestRejectedError with the linker's reason.
        """
        await self._change(_build_path(merchant, shop, action), body)

    async def _fetch(self, path: str, model: type[M], query: dict[str, str | int] | None = None) -> M:
        try:
            response = await self._http.get(self._url + path, headers=self._headers, params=query, timeout=READ_TIMEOUT)
            if response.status_code == HTTPStatus.NOT_FOUND:
                raise NotFoundError
            response.raise_for_status()
            return model.model_validate_json(response.content)
        except (httpx.HTTPError, ValidationError) as error:
            log.warning("linker not read", path=path, error=type(error).__name__)
            raise LinkerUnavailableError from error

    async def _change(self, path: str, body: dict[str, Any]) -> None:
        try:
            response = await self._http.post(self._url + path, headers=self._headers, json=body, timeout=CHANGE_TIMEOUT)
            if response.status_code in _REFUSALS:
                raise _build_refusal(response)
            response.raise_for_status()
        except (httpx.HTTPError, ValidationError) as error:
            log.warning("link not changed", path=path, error=type(error).__name__)
            raise LinkerUnavailableError from error


def _build_path(merchant: UUID, *parts: str) -> str:
    return "/".join((f"/merchants/{merchant}/links", *(quote(part, safe="") for part in parts)))


def _build_refusal(response: httpx.Response) -> RequestRejectedError:
    """Return the error with the linker's reason. Pages answer 400 for what the linker finds malformed."""
    detail = _LinkerRefusal.model_validate_json(response.content).detail
    is_malformed = response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    status = int(HTTPStatus.BAD_REQUEST) if is_malformed else response.status_code
    return RequestRejectedError(status, detail if isinstance(detail, str) else "a value is not possible")
