"""Letting go by HTTP: a merchant's own buttons, the platforms' callbacks, and the receipts of both."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from gateway.connections import REDACTED, Connection
from gateway.erasure.deletion_requests import (
    ConnectionPart,
    Kind,
    Receipt,
    ReceiptDocument,
    connection_part,
    receipt_document,
)
from gateway.erasure.service import Departures
from gateway.errors import NotKnown, Refusal, SchedulerAway
from gateway.pages.forms import carries, form_of, is_from_here
from gateway.pages.openapi_descriptions import AWAY, data, form, led, problems, says, shown
from gateway.pages.responses import Done, Problem, answer, problem
from gateway.pages.routes.pages import NOT_SIGNED_IN, Merchants, Scheduler
from gateway.pages.views import Shown
from gateway.sessions.cookies import BY_SESSION, Cookies
from gateway.store import Store

_FROM_HERE = form(form_token="That of the session, from the page of connections")
_SIGNED = form(signed_request="Names the person, signed by the platform")
_NOT_SIGNED = data(Problem, {400: "The signed request is not the platform's."})
_OWN = {
    400: "The form is malformed, too long, or did not come.",
    401: "Nobody is signed in.",
    403: "It was not sent by the merchant's own page of connections.",
    404: "There is no such connection among yours.",
    **AWAY,
}


class DeletionBegun(Shown):
    """What Meta shows to a person who asked for the deletion of her data: where the receipt is, and its code."""

    url: str
    confirmation_code: str


_OWN_BUTTON: dict[str, Any] = {"dependencies": [BY_SESSION], "openapi_extra": _FROM_HERE}
_DISCONNECT = says("Read nothing more of an account", led(303, "To the connections."), problems(_OWN), **_OWN_BUTTON)
_DELETE = says("Delete all data of an account", led(303, "To the receipt."), problems(_OWN), **_OWN_BUTTON)
_RECEIPT = says(
    "A receipt, for whoever holds its code",
    shown(ReceiptDocument, "What was asked, and what became of it."),
    problems({404: "There is none; they are kept for 90 days.", **AWAY}),
)
_DEAUTHORIZE = says(
    "A person has taken the app away",
    data(Done, {200: "Let go."}),
    _NOT_SIGNED,
    problems(AWAY),
    openapi_extra=_SIGNED,
)
_DATA_DELETION = says(
    "A person wants all that she granted deleted",
    data(DeletionBegun, {200: "Begun; what is shown to her."}),
    _NOT_SIGNED,
    problems(AWAY),
    openapi_extra=_SIGNED,
)


class Receipts:
    """Reads receipts with what became of each connection, the writer's part by the scheduler's word."""

    def __init__(self, store: Store, scheduler: Scheduler) -> None:
        self._store = store
        self._scheduler = scheduler

    async def document(self, code: str) -> dict[str, Any]:
        """The receipt as it is shown. Raises `NotKnown`."""
        receipt = await self._store.receipt(code) if code.isalnum() else None
        if receipt is None:
            raise NotKnown
        return receipt_document(receipt, await self._parts(receipt))

    async def _parts(self, receipt: Receipt) -> list[ConnectionPart]:
        """One after the other, so that a scheduler that is away is waited for once."""
        parts: list[ConnectionPart] = []
        away, carried_out = False, receipt.carried_out_at is not None
        for name in receipt.connections if receipt.kind.lets_go else ():
            row = await self._store.connection(name)
            erased: bool | None = True
            if row is not None and (receipt.kind.deletes or row.state == REDACTED):
                erased = None if away else await self._erased(row)
                away = erased is None
            parts.append(connection_part(name, row, carried_out=carried_out, erased=erased))
        return parts

    async def _erased(self, row: Connection) -> bool | None:
        """Whether the writer has done its part; None where the scheduler does not answer.

        A scheduler that knows an earlier epoch has not heard of this redaction: what it shows is another's end.
        """
        try:
            known = await self._scheduler.connection(row.name)
        except SchedulerAway:
            return None
        return known is not None and known.epoch >= row.epoch and known.erased_at is not None


def departure_routes(departures: Departures, receipts: Receipts, merchants: Merchants, cookies: Cookies) -> APIRouter:
    """`POST /connections/{connection}/disconnect` and `/delete`, `GET /deletions/{code}`."""
    routes = APIRouter(tags=["Letting go"])

    @routes.post("/connections/{connection}/disconnect", **_DISCONNECT)
    async def disconnect(request: Request, connection: str) -> Response:
        async def do(merchant: UUID) -> str:
            await departures.disconnect(connection, merchant)
            return "/connections"

        return await _done(request, merchants, cookies, do)

    @routes.post("/connections/{connection}/delete", **_DELETE)
    async def delete(request: Request, connection: str) -> Response:
        async def do(merchant: UUID) -> str:
            return receipt_path(await departures.delete(connection, merchant))

        return await _done(request, merchants, cookies, do)

    @routes.get("/deletions/{code}", **_RECEIPT)
    async def receipt(request: Request, code: str) -> Response:
        try:
            document = await receipts.document(code)
        except NotKnown:
            return problem(request, 404, "there is no such receipt; they are kept for 90 days")
        days = {"asked_on": _day(document["asked_at"]), "messages_gone_on": _day(document["messages_until"])}
        return answer(request, "receipt.html", document, **days)

    return routes


def callback_routes(
    departures: Departures, platform: str, *, user_of: Callable[[str], tuple[str, int]], origin: str
) -> APIRouter:
    """`POST /{platform}/deauthorize` and `/data-deletion`: forms with a `signed_request`, as Meta defines them.

    `user_of` verifies one and gives the person that it is about, and when it was made (ms); it raises `Refusal`, which
    is answered with 400. A copy is known by the signed part alone, because one signature can be written in several
    ways.
    """
    routes = APIRouter(prefix=f"/{platform}", tags=["Platforms"])

    async def asked(request: Request, kind: Kind) -> str:
        signed = (await form_of(request)).get("signed_request", "")
        person, asked_at = user_of(signed)
        return await departures.asked_by(platform, person, kind, signed.partition(".")[2], asked_at=asked_at)

    @routes.post("/deauthorize", **_DEAUTHORIZE)
    async def deauthorize(request: Request) -> Response:
        try:
            await asked(request, Kind.UNINSTALL)
        except Refusal as refusal:
            return JSONResponse(Problem(reason=str(refusal)).model_dump(), 400)
        return JSONResponse(Done().model_dump())

    @routes.post("/data-deletion", **_DATA_DELETION)
    async def data_deletion(request: Request) -> Response:
        try:
            code = await asked(request, Kind.PERSON_DELETION)
        except Refusal as refusal:
            return JSONResponse(Problem(reason=str(refusal)).model_dump(), 400)
        return JSONResponse(DeletionBegun(url=origin + receipt_path(code), confirmation_code=code).model_dump())

    return routes


def receipt_path(code: str) -> str:
    """Where the receipt of this code is shown."""
    return f"/deletions/{code}"


def _day(moment: int | None) -> str:
    """A moment (ms) as a date and time that reads the same everywhere."""
    return "" if moment is None else datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def _done(
    request: Request, merchants: Merchants, cookies: Cookies, do: Callable[[UUID], Awaitable[str]]
) -> Response:
    """Do what a form of the merchant's own page asks, and lead to where `do` says."""
    if "\x00" in request.path_params["connection"]:
        return problem(request, 404, "there is no such connection among yours")
    session = cookies.session(request)
    merchant = await merchants.merchant(session)
    if merchant is None or session is None:
        return problem(request, 401, NOT_SIGNED_IN)
    try:
        if not is_from_here(request) or not carries(await form_of(request), merchants.form_token(session)):
            return problem(request, 403, "this was not sent by your page of connections; open it again")
        return RedirectResponse(await do(merchant), 303)
    except Refusal as refusal:
        return problem(request, 400, str(refusal))
    except NotKnown:
        return problem(request, 404, "there is no such connection among yours")
