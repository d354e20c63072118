"""The client of the gateway's internal API: it requests syncs, and is told when keys were used."""

from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import quote
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError

from contracts.events import ApiKey
from data_api.access import ApiCaller
from messaging.errors import UnavailableError

TIMEOUT = httpx.Timeout(10.0, connect=2.0)


class RequestedSync(BaseModel):
    """The sync that a request for a refresh has started, or the full sync that is open already."""

    sync_id: UUID
    status: Literal["started", "in_progress"]


class RefreshRefusal(BaseModel):
    """Why the gateway starts no sync of a connection."""

    state: str = ""
    """The state of a connection that is not connected."""
    sign_in_url: str = ""
    """Where the account is connected again; empty where only the operator connects it. The gateway names the path."""


class RefreshRefusedError(Exception):
    """Raised when the gateway starts no sync: 404 no such connection, 409 not connected, 400 malformed record ids."""

    def __init__(self, status: int, refusal: RefreshRefusal) -> None:
        super().__init__(f"{status} {refusal.state}")
        self.status = status
        self.refusal = refusal


class GatewayInternalApi:
    """Calls the gateway's internal API at `url` with this service's `key`.

    `public_url` is the gateway as browsers reach it; empty where that is not known.
    Every method raises `UnavailableError` when the gateway does not answer, or answers with an error or invalid JSON.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, *, key: str, public_url: str = "") -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._public_url = public_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def request_refresh(
        self, connection: str, records: Mapping[str, Sequence[str]] | None, caller: ApiCaller
    ) -> RequestedSync:
        """Request the sync of a connection: of these records (ids by resource), or a full one.

        The gateway's audit log shows the key of `caller`. Raises `RefreshRefusedError` when the gateway starts none.
        """
        body: dict[str, object] = {"key": _describe_key(caller)}
        if records is not None:
            body["records"] = records
        response = await self._post(f"/internal/connections/{quote(connection, safe='')}/refresh", body)
        try:
            if response.status_code in {400, 404, 409}:
                raise RefreshRefusedError(response.status_code, self._parse_refusal(response.content))
            response.raise_for_status()
            return RequestedSync.model_validate_json(response.content)
        except (httpx.HTTPError, ValidationError) as error:
            raise _describe(error) from error

    async def report_use(self, used: Mapping[UUID, int]) -> None:
        """Report when (ms) each of these keys was last used."""
        response = await self._post("/internal/keys/used", {"used": {str(key): at for key, at in used.items()}})
        try:
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise _describe(error) from error

    def _parse_refusal(self, content: bytes) -> RefreshRefusal:
        refusal = RefreshRefusal.model_validate_json(content)
        url = f"{self._public_url}{refusal.sign_in_url}" if self._public_url and refusal.sign_in_url else ""
        return refusal.model_copy(update={"sign_in_url": url})

    async def _post(self, path: str, body: object) -> httpx.Response:
        try:
            return await self._http.post(self._url + path, json=body, headers=self._headers, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            raise _describe(error) from error


def _describe_key(caller: ApiCaller) -> dict[str, str]:
    """Return the name of the caller's key, and its id unless it is an operator's."""
    identified = {"id": str(caller.key.id)} if isinstance(caller.key, ApiKey) else {}
    return {**identified, "name": caller.key.name}


def _describe(error: Exception) -> UnavailableError:
    return UnavailableError(f"gateway: {type(error).__name__}: {error}")
