"""The scheduler's read API, and no other service's."""

from typing import TypeVar
from uuid import UUID

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from gateway.pages.views import ConnectionView, SyncView
from messaging.errors import UnavailableError

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)

TIMEOUT = httpx.Timeout(3.0, connect=1.0)


class SchedulerClient:
    """The scheduler's read API. Raises UnavailableError when it does not answer as it should."""

    def __init__(self, http: httpx.AsyncClient, url: str, *, key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def sync(self, sync_id: UUID) -> SyncView | None:
        """A sync; None when the scheduler does not know it."""
        return await self._read(f"/syncs/{sync_id}", SyncView)

    async def connection(self, name: str) -> ConnectionView | None:
        """A connection's next poll and latest syncs; None when the scheduler does not know it."""
        return await self._read(f"/connections/{name}", ConnectionView)

    async def _read(self, path: str, kind: type[M]) -> M | None:
        try:
            answer = await self._http.get(self._url + path, headers=self._headers, timeout=TIMEOUT)
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            return kind.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            log.warning("scheduler not read", path=path, error=type(error).__name__)
            raise UnavailableError("the scheduler does not answer") from error
