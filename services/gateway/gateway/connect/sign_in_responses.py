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
from gateway.pages.views import MissingScope
from platform_sdk.adapters import PlatformAdapter

MAX_QUERY_LENGTH = 6000


class MerchantConnected(ResponseModel):
    """The merchant to whom the first of the connected accounts belongs. The response also sets the session's cookie."""

    user_uuid: UUID


class ConnectedAccountDocument(ResponseModel):
    """A connected account with the id of its first sync."""

    connection: str
    title: str
    sync_id: UUID


class AccountsConnected(MerchantConnected):
    """The accounts that accepted credentials have connected. The response also sets the cookie `session_id`."""

    connections: list[ConnectedAccountDocument]
    missing_scopes: list[MissingScope]


class AccountsProved(ResponseModel):
    """The connections that this browser may read now, because it has signed in at their accounts."""

    proved: list[str]


def respond_connected(request: Request, connected: Connected, document: Mapping[str, Any]) -> Response:
    """Return the response to a sign-in that connected accounts. The JSON is `document` with the merchant's id."""
    if is_page_wanted(request):
        query = urlencode([("connection", name) for name in connected.connections])
        # A longer address would be refused as one with too large headers.
        return RedirectResponse(f"/connected?{query}" if len(query) <= MAX_QUERY_LENGTH else "/connections", 303)
    return JSONResponse({"user_uuid": str(connected.merchant), **document})


def respond_proved(request: Request, signed_in: SignedIn) -> Response:
    """Return the response to a sign-in that only proved accounts."""
    if is_page_wanted(request):
        return RedirectResponse("/connections", 303)
    return JSONResponse(AccountsProved(proved=list(signed_in.connections)).model_dump())


def build_connected_document(adapter: PlatformAdapter, connected: Connected) -> dict[str, object]:
    """Return the fields of `AccountsConnected` besides the merchant."""
    grant = next(iter(connected.grants.values()))
    missing = adapter.accounts.find_missing_scopes(grant.scopes)
    return {
        "connections": [
            {"connection": account.connection, "title": account.title, "sync_id": account.sync_id}
            for account in connected.accounts
        ],
        "missing_scopes": [{"scope": scope, "costs": list(costs)} for scope, costs in missing.items()],
    }
