"""The HTML page and the JSON that answer a successful sign-in."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from gateway.connect.grants import SignIn
from gateway.pages.responses import ResponseModel, respond
from gateway.pages.views import MissingScope, build_queued_sync, build_sync_document
from gateway.webhooks.status import build_initial_webhook_checks
from platform_sdk.adapters import PlatformAdapter
from platform_sdk.grants import Grant


class MerchantConnected(ResponseModel):
    """The merchant whose accounts have been connected. The response also sets the cookie `session_id`."""

    user_uuid: UUID


def respond_connected(
    request: Request, adapter: PlatformAdapter, sign_in: SignIn, document: Mapping[str, Any], *, again: str = ""
) -> Response:
    """Return the response to a successful sign-in: JSON, or for a browser an HTML page.

    The JSON is `document` with the merchant's id. The page shows the accounts and their first syncs; with a single
    account also the progress of its sync. `again` is the path of a login at which the platform asks again for the
    scopes that the user declined; empty where there is no such login.
    """
    # What was granted is the same for all accounts of one consent.
    grant = next(iter(sign_in.grants.values()))
    missing = adapter.accounts.find_missing_scopes(grant.scopes)
    return respond(
        request,
        "connected.html",
        {"user_uuid": str(sign_in.merchant), **document},
        accounts=sign_in.accounts,
        noun=adapter.manifest.account_noun,
        title=adapter.manifest.title,
        sync=_build_first_sync(adapter, sign_in) if len(sign_in.accounts) == 1 else None,
        missing=[MissingScope(scope=scope, costs=list(costs)) for scope, costs in missing.items()],
        readable_until=_format_date(grant.readable_until),
        again=again,
    )


def _build_first_sync(adapter: PlatformAdapter, sign_in: SignIn) -> dict[str, Any]:
    (account,) = sign_in.accounts
    granted_at = _get_grant(sign_in).granted_at
    status, result = build_initial_webhook_checks(adapter.webhooks is not None)
    sync = build_queued_sync(UUID(account.sync_id), account.connection, granted_at)
    return build_sync_document(sync, status=status, result=result, now=granted_at)


def _get_grant(sign_in: SignIn) -> Grant:
    return next(iter(sign_in.grants.values()))


def _format_date(milliseconds: int | None) -> str:
    return "" if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()
