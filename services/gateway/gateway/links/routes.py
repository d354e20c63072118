"""The pages of links and their buttons. Reading needs the proofs of both accounts, and changing fresh ones."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from contracts.events import parse_platform
from gateway.audit import Action
from gateway.links.client import LinkerUnavailableError
from gateway.links.paths import build_link_path, build_new_link_path
from gateway.links.reader import LinkReader, MissingProofError
from gateway.links.service import LinkService
from gateway.links.settings_form import DATABASE_FIELD, FIELDS, OPTIONAL_FIELDS, SHOP_FIELD, build_settings
from gateway.links.views import FailedWriteView, LinkDocument, LinkView, NewLinkDocument
from gateway.pages.openapi_descriptions import (
    UNAVAILABLE,
    describe_page,
    describe_problems,
    describe_redirect,
    describe_route,
)
from gateway.pages.responses import respond, respond_problem
from gateway.pages.session_forms import NOT_SIGNED_IN, SessionForms, describe_session_form
from gateway.sessions.cookies import OPTIONAL_SESSION_COOKIE
from gateway.sessions.sessions import Session, Sessions
from linking.records import DATABASE_SIDE, SHOP_SIDE, STOCK, Side
from linking.sync_modes import MODES, Scope
from platform_sdk.errors import NotFoundError, RequestRejectedError

NO_LINK = "there is no such link among yours"
NO_SHOP = "there is no such connected shop among yours"
LINKER_AWAY = "the linker, which keeps accounts in step, does not answer now; try again in a moment"
MAX_NAME_LENGTH = 500
SYNC_MODES = tuple(mode.name for mode in MODES.values() if mode.scope is not Scope.IDS)
"""The modes of syncs that a page starts: those that need no ids."""

_PROBLEMS = {
    401: "Nobody is signed in.",
    403: "This browser has signed in at one of the two accounts only.",
    404: "There is none, or it is not yours.",
    **UNAVAILABLE,
}
_LINK = describe_route(
    "A link of a shop: its state, what it would write, and what waits for a person",
    describe_page(LinkDocument, "It shows values of both accounts, to whoever has signed in at both."),
    describe_problems(_PROBLEMS),
    dependencies=[OPTIONAL_SESSION_COOKIE],
)
_END_PAGE = describe_route(
    "The page on which ending a link is confirmed",
    describe_page(LinkView, "The link."),
    describe_problems(_PROBLEMS),
    dependencies=[OPTIONAL_SESSION_COOKIE],
)
_NEW = describe_route(
    "What a link of a shop can be made of",
    describe_page(NewLinkDocument, "The databases with which the shop can be linked, and the settings."),
    describe_problems({401: _PROBLEMS[401], 404: _PROBLEMS[404], **UNAVAILABLE}),
    dependencies=[OPTIONAL_SESSION_COOKIE],
)
_TO_LINK = describe_redirect(303, "To the link, or to the connections once it has ended.")
_CREATE = describe_session_form("Link a shop and a database", _TO_LINK, FIELDS, optional=OPTIONAL_FIELDS)

BuildBody = Callable[[Mapping[str, str]], Mapping[str, Any]]
"""Builds the body of a request to the linker from the fields of a form."""


def _build_empty_body(_fields: Mapping[str, str]) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class _LinkButton:
    """A button for one link: `POST /links/{connection}/<path>`, which does `path` at the linker."""

    path: str
    action: Action
    summary: str
    build_body: BuildBody = _build_empty_body
    fields: Mapping[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()


def _build_approval(fields: Mapping[str, str]) -> Mapping[str, Any]:
    text = fields.get("plan", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise RequestRejectedError(400, "the number of the plan is missing or malformed")
    return {"plan": int(text)}


def _build_settlement(fields: Mapping[str, str]) -> Mapping[str, Any]:
    if fields.get("winner") not in set(Side):
        raise RequestRejectedError(400, f"the winner is {' or '.join(Side)}")
    return {name: fields.get(name) or None for name in ("winner", "record", "resource", "field")}


def _build_retry(fields: Mapping[str, str]) -> Mapping[str, Any]:
    return {"reason": fields.get("reason") or None}


def _build_sync(fields: Mapping[str, str]) -> Mapping[str, Any]:
    if fields.get("mode") not in SYNC_MODES:
        raise RequestRejectedError(400, f"the mode is {', '.join(SYNC_MODES[:-1])} or {SYNC_MODES[-1]}")
    return {"mode": fields["mode"]}


_BUTTONS = (
    _LinkButton(
        "approve",
        Action.APPROVE_PLAN,
        "Approve a draft: it is written, and from then on each change as it comes",
        _build_approval,
        {"plan": "The number of the plan that was seen; a newer one is not approved"},
    ),
    _LinkButton(
        "settle",
        Action.SETTLE_CONFLICTS,
        "Let one side win conflicts",
        _build_settlement,
        {
            "winner": f"The side whose value stays: {' or '.join(Side)}",
            "record": "The id of a record of either side; left out or empty: all conflicts",
            "resource": "products, variants or stock: of which of them the id is",
            "field": "The name of a field; left out or empty: all of them",
        },
        ("record", "resource", "field"),
    ),
    _LinkButton(
        "retry",
        Action.RETRY_WRITES,
        "Make failed writes again",
        _build_retry,
        {"reason": "Those with this reason code; left out or empty: all"},
        ("reason",),
    ),
    _LinkButton("book", Action.BOOK_SALES, "Say that all unbooked sales were booked on the side that counts"),
    _LinkButton(
        "syncs",
        Action.SYNC_LINK,
        "Have a link catch up",
        _build_sync,
        {"mode": f"What is read and written: {', '.join(SYNC_MODES)}"},
    ),
    _LinkButton("pause", Action.PAUSE_LINK, "Pause a link"),
    _LinkButton("resume", Action.RESUME_LINK, "Read both sides of a paused link again"),
    _LinkButton("end", Action.END_LINK, "End a link for good"),
)


def create_link_routes(reader: LinkReader, service: LinkService, forms: SessionForms, sessions: Sessions) -> APIRouter:
    """Return `GET /links/new`, `GET /links/{connection}` and `/end` below it, `POST /links` and the buttons of a link.

    `connection` is the link's shop.
    """
    routes = APIRouter(tags=["Links"])
    _add_making(routes, reader, service, forms, sessions)
    for button in _BUTTONS:
        _add_button(routes, reader, service, forms, button)
    _add_pages(routes, reader, sessions)
    return routes


def _add_making(
    routes: APIRouter, reader: LinkReader, service: LinkService, forms: SessionForms, sessions: Sessions
) -> None:
    @routes.get("/links/new", **_NEW)
    async def show_new_link(request: Request, shop: str) -> Response:
        session = await sessions.find(request)
        if session is None:
            return respond_problem(request, 401, NOT_SIGNED_IN)
        try:
            document = await reader.load_new_link(session, shop[:MAX_NAME_LENGTH])
        except NotFoundError:
            return respond_problem(request, 404, NO_SHOP, again="/connections")
        values = {"titles": reader.titles, "form_token": sessions.build_form_token(session)}
        return respond(request, "link_new.html", document.model_dump(mode="json"), **values)

    @routes.post("/links", **_CREATE)
    async def create_link(request: Request) -> Response:
        async def act(session: Session, fields: Mapping[str, str]) -> Response:
            shop, database = fields.get(SHOP_FIELD, ""), fields.get(DATABASE_FIELD, "")
            for name in (shop, database):
                session.check_acting(name)
            if (parse_platform(shop), parse_platform(database)) != (SHOP_SIDE, DATABASE_SIDE):
                raise RequestRejectedError(400, "a shop is linked with a database, and with nothing else")
            try:
                await service.create(session, shop, database, build_settings(fields))
            except RequestRejectedError as error:
                return respond_problem(request, error.status, error.reason, again=build_new_link_path(shop))
            return RedirectResponse(build_link_path(shop), 303)

        return await forms.handle(request, act)


def _add_button(
    routes: APIRouter, reader: LinkReader, service: LinkService, forms: SessionForms, button: _LinkButton
) -> None:
    description = describe_session_form(button.summary, _TO_LINK, button.fields, optional=button.optional)

    @routes.post(f"/links/{{connection:path}}/{button.path}", name=button.action.value, **description)
    async def act_on_link(request: Request, connection: str) -> Response:
        async def act(session: Session, fields: Mapping[str, str]) -> Response:
            link = await reader.find_link(session, connection)
            for name in link.connections.values():
                session.check_acting(name)
            path = build_link_path(connection)
            try:
                await service.change(session, link, button.action, button.path, button.build_body(fields))
            except RequestRejectedError as error:
                return respond_problem(request, error.status, error.reason, again=path)
            return RedirectResponse("/connections" if button.action is Action.END_LINK else path, 303)

        return await _respond_as_found(request, lambda: forms.handle(request, act))


def _add_pages(routes: APIRouter, reader: LinkReader, sessions: Sessions) -> None:
    @routes.get("/links/{connection:path}/end", **_END_PAGE)
    async def show_end(request: Request, connection: str) -> Response:
        session = await sessions.find(request)
        if session is None:
            return respond_problem(request, 401, NOT_SIGNED_IN)

        async def show() -> Response:
            link = await reader.find_link(session, connection)
            values = {
                "path": build_link_path(connection),
                "can_act": all(map(session.can_act, link.connections.values())),
                "form_token": sessions.build_form_token(session),
            }
            return respond(request, "link_end.html", link.model_dump(mode="json"), **values)

        return await _respond_as_found(request, show)

    @routes.get("/links/{connection:path}", **_LINK)
    async def show_link(request: Request, connection: str) -> Response:
        session = await sessions.find(request)
        if session is None:
            return respond_problem(request, 401, NOT_SIGNED_IN)

        async def show() -> Response:
            document = await reader.load_link(session, connection)
            values = {
                "path": build_link_path(connection),
                "titles": reader.titles,
                "sides": [str(side) for side in Side],
                "stock": STOCK,
                "sync_modes": SYNC_MODES,
                "failures": _group_failures(document.failures.failures),
                "form_token": sessions.build_form_token(session),
            }
            return respond(request, "link.html", document.model_dump(mode="json"), **values)

        return await _respond_as_found(request, show)


async def _respond_as_found(request: Request, answer: Callable[[], Awaitable[Response]]) -> Response:
    """Return the answer, or say plainly why the link is not shown."""
    try:
        return await answer()
    except MissingProofError as error:
        reason = (
            f"the link also shows an account of {error.title} at which you have not signed in; sign in there first,"
            " then open the link again"
        )
        return respond_problem(request, 403, reason, again=error.prove_path)
    except NotFoundError:
        return respond_problem(request, 404, NO_LINK, again="/connections")
    except LinkerUnavailableError:
        return respond_problem(request, 503, LINKER_AWAY, again="/connections")


def _group_failures(failures: list[FailedWriteView]) -> dict[str, list[dict[str, Any]]]:
    """Return the failures by their reason codes."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for one in failures:
        grouped.setdefault(one.reason_code or "", []).append(one.model_dump(mode="json"))
    return grouped
