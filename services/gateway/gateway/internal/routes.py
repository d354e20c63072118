"""The internal API: tokens for fetchers and writers, webhook subscriptions for the scheduler, syncs on request.

Operators request syncs, and the data API does for its readers.
"""

from collections.abc import Collection
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from contracts.events import parse_platform
from contracts.topics import LINKER
from gateway.audit import BY_LINK, BY_READER, StoredAuditEntry
from gateway.connect.client_credentials import ClientCredentialsConnector
from gateway.hints.routes import build_hint_path
from gateway.hints.tokens import HintTokens
from gateway.internal.callers import AuthenticateCaller, require_permission
from gateway.internal.permissions import can_ensure_subscriptions, can_get_token, can_operate, can_refresh
from gateway.internal.sync_requests import ManualSyncs, ReaderKey
from gateway.requesters import Operator
from gateway.store.audit_log import AuditLogStore
from gateway.tokens.service import TokenService
from gateway.webhooks.subscriptions import WebhookSubscriptions
from messaging.errors import UnavailableError
from platform_sdk.errors import (
    AccountBlockedError,
    ConnectionEndedError,
    NotFoundError,
    RequestRejectedError,
    TokenRejectedError,
    TransientError,
)

RETRY_AFTER_SECONDS = 30
"""When a caller should ask again for a connection whose platform does not answer."""


class TokenRequest(BaseModel):
    """The body of a request for a connection's access token."""

    connection: str


class RejectedToken(BaseModel):
    """The body of a request for another token: the hex SHA-256 of the token that the platform rejected."""

    connection: str
    access_token_sha256: str


class SubscriptionsRequest(BaseModel):
    """The body of a request for a connection's webhook subscriptions: names the full sync that needs them.

    `first` is True where that is the first full sync after an account was connected.
    """

    sync_id: UUID
    first: bool = False


class ManualSyncRequest(BaseModel):
    """The body of an operator's request for a sync.

    `records` are the ids of the records to read, by resource; null requests a full sync.
    """

    records: dict[str, tuple[str, ...]] | None = None


class RefreshRequest(BaseModel):
    """The body of a request for newer data, for a link or for a reader of the data API.

    `records` are the ids of the records to read, by resource; null requests a full sync. `key` is the reader's key.
    """

    records: dict[str, tuple[str, ...]] | None = None
    key: ReaderKey | None = None


class DeletionsPermission(BaseModel):
    """The body of an operator's permission for deletions that the deletion guard has stopped.

    `guarded_sync` is the full sync that it stopped; `reason` is the operator's.
    """

    guarded_sync: UUID
    reason: str = Field(default="", max_length=500)


def create_internal_routes(
    tokens: TokenService,
    subscriptions: WebhookSubscriptions,
    syncs: ManualSyncs,
    connector: ClientCredentialsConnector,
    audit_log: AuditLogStore,
    hint_tokens: HintTokens,
    hinting: Collection[str],
    authenticate_caller: AuthenticateCaller,
) -> APIRouter:
    """Return the routes under `/internal`, except those for keys. They answer 403 when the caller lacks the permission.

    `hinting` are the platforms of which hints are taken. `authenticate_caller` returns the name of a request's caller.
    """
    routes = APIRouter(prefix="/internal")
    Caller = Annotated[str, Depends(authenticate_caller)]

    @routes.post("/tokens")
    async def get_token(body: TokenRequest, caller: Caller) -> dict[str, object]:
        require_permission(can_get_token(caller, body.connection))
        return asdict(await tokens.get_token(body.connection))

    @routes.post("/tokens/refused")
    async def replace_token(body: RejectedToken, caller: Caller) -> dict[str, object]:
        require_permission(can_get_token(caller, body.connection))
        return asdict(await tokens.replace_token(body.connection, body.access_token_sha256))

    @routes.post("/connections/{connection:path}/assert")
    async def ensure_subscriptions(connection: str, body: SubscriptionsRequest, caller: Caller) -> dict[str, object]:
        require_permission(can_ensure_subscriptions(caller))
        return await subscriptions.ensure_and_save_status(connection, body.sync_id, first=body.first)

    @routes.post("/connections/{connection:path}/sync")
    async def request_sync(connection: str, body: ManualSyncRequest, caller: Caller) -> dict[str, object]:
        require_permission(can_operate(caller))
        if body.records is None:
            return {"sync_id": str(await syncs.request_full_sync(connection))}
        return {"sync_id": str(await syncs.request_records(connection, body.records))}

    @routes.post("/connections/{connection:path}/refresh")
    async def refresh(connection: str, body: RefreshRequest, caller: Caller) -> JSONResponse:
        require_permission(can_refresh(caller))
        try:
            actor = BY_LINK if caller == LINKER else BY_READER
            requested = await syncs.refresh(connection, body.records, actor, body.key)
        except ConnectionEndedError as error:
            path = syncs.build_sign_in_path(connection)
            return JSONResponse({"state": error.state, "sign_in_url": path}, 409)
        status = "started" if requested.is_new else "in_progress"
        return JSONResponse({"sync_id": str(requested.sync_id), "status": status})

    @routes.post("/connections/{connection:path}/syncs/{sync_id:uuid}/cancel")
    async def cancel_sync(connection: str, sync_id: UUID, caller: Caller) -> dict[str, object]:
        require_permission(can_operate(caller))
        await syncs.cancel_full_sync(connection, sync_id, Operator())
        return {"sync_id": str(sync_id), "state": "cancelled"}

    @routes.post("/connections/{connection:path}/deletions")
    async def allow_deletions(connection: str, body: DeletionsPermission, caller: Caller) -> dict[str, object]:
        require_permission(can_operate(caller))
        sync_id = await syncs.allow_deletions(connection, body.guarded_sync, body.reason)
        return {"sync_id": str(sync_id)}

    @routes.get("/connections/{connection:path}/checkup")
    async def inspect_subscriptions(connection: str, caller: Caller) -> dict[str, object]:
        require_permission(can_operate(caller))
        ends_at = await tokens.find_access_end(connection)
        return {**await subscriptions.inspect(connection), "access_ends_at": ends_at}

    @routes.get("/connections/{connection:path}/hint")
    async def show_hint_path(connection: str, caller: Caller) -> dict[str, object]:
        require_permission(can_operate(caller))
        platform = parse_platform(connection)
        if platform not in hinting:
            raise RequestRejectedError(400, f"no hints of {platform} are taken: see {platform.upper()}_HINTS")
        epoch = await syncs.get_live_epoch(connection)
        return {"path": build_hint_path(platform, hint_tokens.make(connection, epoch))}

    @routes.post("/platforms/{platform}/connect")
    async def connect(platform: str, caller: Caller) -> dict[str, object]:
        require_permission(can_operate(caller))
        accounts = await connector.connect(platform)
        return {"connections": [{"connection": one.connection, "sync_id": one.sync_id} for one in accounts]}

    @routes.get("/audit")
    async def list_audit_log(
        caller: Caller, after: int = 0, connection: str | None = None, count: Annotated[int, Query(le=1000)] = 1000
    ) -> dict[str, object]:
        require_permission(can_operate(caller))
        return {"entries": [_describe_entry(entry) for entry in await audit_log.list_after(after, connection, count)]}

    return routes


def _describe_entry(stored: StoredAuditEntry) -> dict[str, object]:
    entry, actor = stored.entry, stored.entry.actor
    return {
        "id": stored.id,
        "at": stored.at,
        "connection": entry.connection,
        "action": entry.action.value,
        "actor": actor.kind,
        "session": str(actor.session) if actor.session else None,
        "address": actor.browser.address if actor.browser else None,
        "browser": actor.browser.name if actor.browser else None,
        "details": dict(entry.details),
    }


def add_error_handlers(app: FastAPI) -> None:
    """Let `app` answer exceptions with a status.

    RequestRejectedError: the error's own status, mostly 400. NotFoundError: 404.
    ConnectionEndedError: 409 with the connection's state.
    TransientError and TokenRejectedError: 424, because only this connection or its platform is affected. For an
    AccountBlockedError the body also says in `blocked` what is the matter with the account.
    UnavailableError: 503, because the gateway itself, and so every connection, is affected.
    """

    @app.exception_handler(NotFoundError)
    async def answer_missing(_request: Request, _error: NotFoundError) -> JSONResponse:
        return JSONResponse({"status": "error", "reason": "there is no such connection or platform"}, 404)

    @app.exception_handler(ConnectionEndedError)
    async def answer_ended(_request: Request, error: ConnectionEndedError) -> JSONResponse:
        return JSONResponse({"state": error.state}, 409)

    @app.exception_handler(RequestRejectedError)
    async def answer_rejected(_request: Request, error: RequestRejectedError) -> JSONResponse:
        return JSONResponse({"status": "error", "reason": error.reason}, error.status)

    @app.exception_handler(AccountBlockedError)
    async def answer_blocked(_request: Request, error: AccountBlockedError) -> JSONResponse:
        return JSONResponse({"reason": str(error), "blocked": error.reason}, 424)

    for kind in (TransientError, TokenRejectedError):
        app.add_exception_handler(kind, _answer_connection_error)
    app.add_exception_handler(UnavailableError, _answer_unavailable)


async def _answer_connection_error(_request: Request, error: Exception) -> JSONResponse:
    reason = str(error) or "the platform does not accept the sign-in, although it has just been refreshed"
    return JSONResponse({"reason": reason, "retry_after": RETRY_AFTER_SECONDS}, 424)


async def _answer_unavailable(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"status": "error", "reason": str(error)}, 503)
