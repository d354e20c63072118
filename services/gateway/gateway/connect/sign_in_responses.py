"""The responses to a successful sign-in: JSON for a program, and for a browser a redirect to a page.

The redirect makes reloading harmless: what the browser then reloads is the page, and not the sign-in.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from gateway.connect.grants import Connected, SignedIn
from gateway.pages.responses import ResponseModel, is_page_wanted


class MerchantConnected(ResponseModel):
    """The merchant to whom the first of the connected accounts belongs. The response also sets the session's cookie."""

    user_uuid: UUID


class AccountsProved(ResponseModel):
    """The connections that this browser may read now, because it has signed in at their accounts."""

    proved: list[str]


def respond_connected(request: Request, connected: Connected, document: Mapping[str, Any]) -> Response:
    """Return the response to a sign-in that connected accounts. The JSON is `document` with the merchant's id."""
    if is_page_wanted(request):
        query = urlencode([("connection", name) for name in connected.connections])
        return RedirectResponse(f"/connected?{query}", 303)
    return JSONResponse({"user_uuid": str(connected.merchant), **document})


def respond_proved(request: Request, signed_in: SignedIn) -> Response:
    """Return the response to a sign-in that only proved accounts."""
    if is_page_wanted(request):
        return RedirectResponse("/connections", 303)
    return JSONResponse(AccountsProved(proved=list(signed_in.connections)).model_dump())
