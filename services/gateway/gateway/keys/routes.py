"""The buttons for keys on a connection's page. A key that is made here is shown once, on the page that answers."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from gateway.keys.keys import (
    MAX_DAYS,
    MAX_KEEP_HOURS,
    SCOPES,
    IssuedKey,
    KeyRequest,
    build_key_request,
    convert_keep_hours,
)
from gateway.keys.service import KeyService
from gateway.keys.views import IssuedKeyDocument, build_issued_document
from gateway.pages.openapi_descriptions import describe_page, describe_redirect
from gateway.pages.responses import respond
from gateway.pages.routes.pages import build_access_path, parse_uuid
from gateway.pages.session_forms import SessionForms, describe_session_form
from gateway.sessions.sessions import Session
from platform_sdk.errors import RequestRejectedError

Issue = Callable[[Session, Mapping[str, str]], Awaitable[IssuedKey]]
Revoke = Callable[[Session, Mapping[str, str]], Awaitable[object]]

_SCOPE_FIELDS = {f"scope_{scope}": f"Any value: the key may {scope}" for scope in SCOPES}
_DAYS_FIELDS = {"days": f"It expires after so many days, at most {MAX_DAYS}; left out or empty: it does not expire"}
_KEY_FIELD = {"key": "The id of the key"}
_SHOWN = describe_page(IssuedKeyDocument, "The new key, which is shown this once.")
_BACK = describe_redirect(303, "To the connection's page.")
_MAKE = describe_session_form(
    "Make a key for the data API",
    _SHOWN,
    {"name": "What it is for", **_SCOPE_FIELDS, **_DAYS_FIELDS},
    optional=[*_SCOPE_FIELDS, *_DAYS_FIELDS],
)
_ROTATE = describe_session_form(
    "Make a key in place of another one, with its name, scopes and lifetime",
    _SHOWN,
    {**_KEY_FIELD, "keep_hours": f"The other one stays good for so many hours, 0 to {MAX_KEEP_HOURS}"},
)
_REVOKE = describe_session_form("Revoke a key", _BACK, _KEY_FIELD)
_REVOKE_ALL = describe_session_form("Revoke all keys of a connection", _BACK, {})


def create_key_routes(forms: SessionForms, service: KeyService, *, data_api_url: str) -> APIRouter:
    """Return `POST /connections/{connection}/make-key`, `/rotate-key`, `/revoke-key` and `/revoke-keys`.

    All need a fresh proof. `data_api_url` is the public address of the data API; empty where it is not set up.
    """
    routes = APIRouter(tags=["Your data"])

    async def show(request: Request, connection: str, issue: Issue) -> Response:
        async def act(session: Session, fields: Mapping[str, str]) -> Response:
            session.check_acting(connection)
            document = build_issued_document(await issue(session, fields), data_api_url)
            return respond(request, "key.html", document.model_dump(mode="json"), form_token=forms.build_token(session))

        return await forms.handle(request, act)

    async def go_back(request: Request, connection: str, revoke: Revoke) -> Response:
        async def act(session: Session, fields: Mapping[str, str]) -> Response:
            session.check_acting(connection)
            await revoke(session, fields)
            return RedirectResponse(build_access_path(connection), 303)

        return await forms.handle(request, act)

    @routes.post("/connections/{connection:path}/make-key", **_MAKE)
    async def make_key(request: Request, connection: str) -> Response:
        return await show(
            request, connection, lambda session, fields: service.make(connection, _parse_request(fields), session)
        )

    @routes.post("/connections/{connection:path}/rotate-key", **_ROTATE)
    async def rotate_key(request: Request, connection: str) -> Response:
        async def rotate(session: Session, fields: Mapping[str, str]) -> IssuedKey:
            keep_seconds = convert_keep_hours(_parse_number(fields.get("keep_hours", "")))
            return await service.rotate(connection, _parse_key(fields), session, keep_seconds=keep_seconds)

        return await show(request, connection, rotate)

    @routes.post("/connections/{connection:path}/revoke-key", **_REVOKE)
    async def revoke_key(request: Request, connection: str) -> Response:
        return await go_back(
            request, connection, lambda session, fields: service.revoke(connection, _parse_key(fields), session)
        )

    @routes.post("/connections/{connection:path}/revoke-keys", **_REVOKE_ALL)
    async def revoke_all_keys(request: Request, connection: str) -> Response:
        return await go_back(request, connection, lambda session, _fields: service.revoke_all(connection, session))

    return routes


def _parse_request(fields: Mapping[str, str]) -> KeyRequest:
    scopes = [scope for scope in SCOPES if f"scope_{scope}" in fields]
    days = fields.get("days", "").strip()
    return build_key_request(fields.get("name", ""), scopes, _parse_number(days) if days else None)


def _parse_key(fields: Mapping[str, str]) -> UUID:
    return parse_uuid(fields.get("key", ""))


def _parse_number(text: str) -> int:
    """Return the number that `text` is. Raises RequestRejectedError for any other text, and for a longer one."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise RequestRejectedError(400, "a number is missing or malformed")
    return int(text)
