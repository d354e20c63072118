"""The internal listener: tokens for a platform's fetcher, assertions for the scheduler, syncs for operators."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from gateway.errors import NotKnown, NotLive, PlatformAway, Refusal, TokenRefused
from gateway.internal.permissions import may_assert, may_have_tokens, may_operate
from gateway.internal.sync_requests import Wishes
from gateway.tokens.encryption import Unsealable
from gateway.tokens.service import Tokens
from gateway.webhooks.checkups import Checkups
from gateway.webhooks.subscriptions import Assertions
from messaging.errors import UnavailableError
from service.service_auth import identify_caller

RETRY_AFTER_SECONDS = 30
"""When to ask again for a connection whose platform does not answer; the others' work goes on meanwhile."""


class TokenAsked(BaseModel):
    """For whose data a token is needed."""

    connection: str


class TokenWasRefused(BaseModel):
    """The hex SHA-256 of a token that the platform answered with 401."""

    connection: str
    access_token_sha256: str


class AssertionAsked(BaseModel):
    """The full sync that is about to begin; `first` when the connection never had one that succeeded."""

    sync_id: UUID
    first: bool = False


class SyncWished(BaseModel):
    """Ids to read anew by resource; without any, a full sync."""

    records: dict[str, tuple[str, ...]] | None = None


def internal_routes(
    tokens: Tokens, assertions: Assertions, wishes: Wishes, checkups: Checkups, *, keys: Mapping[str, str]
) -> APIRouter:
    """All of them answer 401 without a service's key, and 403 where that service may not ask."""
    routes = APIRouter(prefix="/internal")

    def caller(authorization: Annotated[str, Header()] = "") -> str:
        name = identify_caller(keys, authorization)
        if name is None:
            raise HTTPException(401, "unknown caller", {"WWW-Authenticate": "Bearer"})
        return name

    Caller = Annotated[str, Depends(caller)]

    @routes.post("/tokens")
    async def current(asked: TokenAsked, caller: Caller) -> dict[str, object]:
        _permit(may_have_tokens(caller, asked.connection))
        return asdict(await tokens.current(asked.connection))

    @routes.post("/tokens/refused")
    async def refused(asked: TokenWasRefused, caller: Caller) -> dict[str, object]:
        _permit(may_have_tokens(caller, asked.connection))
        return asdict(await tokens.refused(asked.connection, asked.access_token_sha256))

    @routes.post("/connections/{connection}/assert")
    async def assert_subscriptions(connection: str, asked: AssertionAsked, caller: Caller) -> dict[str, object]:
        _permit(may_assert(caller))
        return await assertions.run(connection, asked.sync_id, first=asked.first)

    @routes.post("/connections/{connection}/sync")
    async def sync(connection: str, wished: SyncWished, caller: Caller) -> dict[str, object]:
        _permit(may_operate(caller))
        if wished.records is None:
            return {"sync_id": str(await wishes.full(connection))}
        return {"sync_id": str(await wishes.records(connection, wished.records))}

    @routes.get("/connections/{connection}/checkup")
    async def checkup(connection: str, caller: Caller) -> dict[str, object]:
        _permit(may_operate(caller))
        return await checkups.run(connection)

    return routes


def internal_problems(app: FastAPI) -> None:
    """One answer for each consequence: 400 for what cannot be meant, 404, 409 with the state, 424 when it is this one
    connection's trouble with its platform, 503 when it is the gateway's own, and so everybody's."""

    @app.exception_handler(NotKnown)
    async def not_known(_request: Request, _error: NotKnown) -> JSONResponse:
        return JSONResponse({"status": "error", "reason": "no such connection"}, 404)

    @app.exception_handler(NotLive)
    async def not_live(_request: Request, error: NotLive) -> JSONResponse:
        return JSONResponse({"state": error.state}, 409)

    @app.exception_handler(Refusal)
    async def refused(_request: Request, error: Refusal) -> JSONResponse:
        return JSONResponse({"status": "error", "reason": str(error)}, 400)

    for kind in (PlatformAway, TokenRefused, Unsealable):
        app.add_exception_handler(kind, _postponed)
    app.add_exception_handler(UnavailableError, _away)


async def _postponed(_request: Request, error: Exception) -> JSONResponse:
    reason = str(error) or "the platform refuses every token"
    return JSONResponse({"reason": reason, "retry_after": RETRY_AFTER_SECONDS}, 424)


async def _away(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"status": "error", "reason": str(error)}, 503)


def _permit(allowed: bool) -> None:
    if not allowed:
        raise HTTPException(403, "not for this caller")
