"""The client of the scheduler's API: what it knows of syncs and connections, and the cancellation of a sync."""

from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from gateway.pages.views import ConnectionView, SyncView
from messaging.errors import UnavailableError
from platform_sdk.errors import NotFoundError, RequestRejectedError

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)

TIMEOUT = httpx.Timeout(3.0, connect=1.0)


class _Refusal(BaseModel):
    """The body with which the scheduler refuses a request: `detail` is the reason."""

    detail: str


class SchedulerClient:
    """Calls the scheduler's API at `url` with this service's `key`.

    Every method raises UnavailableError when the scheduler does not answer, or answers with an error or invalid JSON.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, *, key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def fetch_sync(self, sync_id: UUID) -> SyncView | None:
        """Return a sync; None when the scheduler does not know it."""
        return await self._fetch(f"/syncs/{sync_id}", SyncView)

    async def fetch_connection(self, name: str) -> ConnectionView | None:
        """Return a connection's next poll (regular sync) and latest syncs; None when the scheduler does not know it."""
        return await self._fetch(f"/connections/{quote(name, safe='')}", ConnectionView)

    async def cancel_sync(self, connection: str, sync_id: UUID) -> None:
        """Cancel an open full sync of the connection; do nothing if it is cancelled already.

        Raises NotFoundError if the connection has no such sync, and RequestRejectedError with the reason if it cannot
        be cancelled.
        """
        path = f"/connections/{quote(connection, safe='')}/syncs/{sync_id}/cancel"
        try:
            response = await self._http.post(self._url + path, headers=self._headers, timeout=TIMEOUT)
            if response.status_code == HTTPStatus.NOT_FOUND:
                raise NotFoundError
            if response.status_code == HTTPStatus.CONFLICT:
                raise RequestRejectedError(409, _Refusal.model_validate_json(response.content).detail)
            response.raise_for_status()
        except (httpx.HTTPError, ValidationError) as error:
            log.warning("sync not cancelled", path=path, error=type(error).__name__)
            raise UnavailableError("the scheduler does not answer now") from error

    async def _fetch(self, path: str, model: type[M]) -> M | None:
        try:
            response = await self._http.get(self._url + path, headers=self._headers, timeout=TIMEOUT)
            if response.status_code == 404:
                return None
            response.raise_for_status()
            return model.model_validate_json(response.content)
        except (httpx.HTTPError, ValidationError) as error:
            log.warning("scheduler not read", path=path, error=type(error).__name__)
            raise UnavailableError("the scheduler does not answer now") from error
