"""The internal API for keys: the operator makes, lists and revokes them, and the data API reports their use."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from gateway.internal.callers import AuthenticateCaller, require_permission
from gateway.internal.permissions import can_operate, can_report_uses_of_keys
from gateway.keys.keys import build_key_request, convert_keep_hours
from gateway.keys.service import KeyService
from gateway.keys.views import build_issued_document, build_key_document
from gateway.requesters import Operator
from gateway.store.keys import KeyStore

MAX_REPORTED_KEYS = 100_000


class KeyOrder(BaseModel):
    """The body of an operator's request for a key. `days` is null for a key that does not expire."""

    name: str
    scopes: tuple[str, ...]
    days: int | None = None


class KeyRotation(BaseModel):
    """The body of an operator's request to replace a key, which stays good for `keep_hours`."""

    keep_hours: int


class KeyUses(BaseModel):
    """The body of the data API's report: when each key was used last, in ms since 1970, by the key's id."""

    used: dict[UUID, Annotated[int, Field(ge=0, lt=2**53)]] = Field(max_length=MAX_REPORTED_KEYS)


def create_internal_key_routes(
    service: KeyService, keys: KeyStore, authenticate_caller: AuthenticateCaller, *, data_api_url: str
) -> APIRouter:
    """Return the routes for keys under `/internal`. They answer 403 when the caller lacks the permission.

    `authenticate_caller` returns the name of a request's caller. `data_api_url` is the public address of the data API;
    empty where it is not set up.
    """
    routes, operator = APIRouter(prefix="/internal"), Operator()
    Caller = Annotated[str, Depends(authenticate_caller)]

    @routes.get("/connections/{connection:path}/keys")
    async def list_keys(connection: str, caller: Caller) -> dict[str, Any]:
        require_permission(can_operate(caller))
        listed = await service.list_all(connection)
        return {"keys": [build_key_document(key, with_maker=True).model_dump(mode="json") for key in listed]}

    @routes.post("/connections/{connection:path}/keys")
    async def make_key(connection: str, body: KeyOrder, caller: Caller) -> dict[str, Any]:
        require_permission(can_operate(caller))
        issued = await service.make(connection, build_key_request(body.name, body.scopes, body.days), operator)
        return build_issued_document(issued, data_api_url).model_dump(mode="json")

    @routes.post("/connections/{connection:path}/keys/{key:uuid}/rotate")
    async def rotate_key(connection: str, key: UUID, body: KeyRotation, caller: Caller) -> dict[str, Any]:
        require_permission(can_operate(caller))
        keep_seconds = convert_keep_hours(body.keep_hours)
        issued = await service.rotate(connection, key, operator, keep_seconds=keep_seconds)
        return build_issued_document(issued, data_api_url).model_dump(mode="json")

    @routes.post("/connections/{connection:path}/keys/{key:uuid}/revoke")
    async def revoke_key(connection: str, key: UUID, caller: Caller) -> dict[str, Any]:
        require_permission(can_operate(caller))
        await service.revoke(connection, key, operator)
        return {"revoked": 1}

    @routes.post("/connections/{connection:path}/keys/revoke")
    async def revoke_all_keys(connection: str, caller: Caller) -> dict[str, Any]:
        require_permission(can_operate(caller))
        return {"revoked": await service.revoke_all(connection, operator)}

    @routes.post("/keys/used", status_code=204)
    async def save_uses(body: KeyUses, caller: Caller) -> Response:
        require_permission(can_report_uses_of_keys(caller))
        await keys.save_uses(body.used)
        return Response(status_code=204)

    return routes
