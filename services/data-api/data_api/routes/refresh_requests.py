"""Asks for a full sync, and says in HTTP's words why there is none."""

from typing import Any

from contracts.events import ConnectionChanged
from data_api.access import ApiCaller
from data_api.asgi.errors import RequestError
from data_api.client.gateway import RefreshRefusedError, RequestedSync
from data_api.use_cases.refreshes import Refreshes

_UNCONNECTED = "the account must be connected again before anything can be read"
_IN_PROGRESS = "Update already in progress"


async def request_refresh(
    refreshes: Refreshes,
    caller: ApiCaller,
    connection: ConnectionChanged,
    records: dict[str, list[str]] | None = None,
) -> RequestedSync:
    """Request the sync of some records (ids by resource) or a full one.

    Raises `RequestError` 409 with the sign-in link for an account that must be connected again, 400 for malformed ids
    and 404 for a connection that has ended; and `LimitExceededError` and `UnavailableError`.
    """
    try:
        if records is None:
            return await refreshes.request_full(caller, connection)
        return await refreshes.request_records(caller, connection, records)
    except RefreshRefusedError as error:
        raise _explain(error) from None


def describe_refresh(requested: RequestedSync) -> dict[str, Any]:
    """Return the answer to a request for a full sync."""
    message = {"message": _IN_PROGRESS} if requested.status == "in_progress" else {}
    return {
        "status": requested.status,
        **message,
        "sync_id": requested.sync_id,
        "sync_url": f"/v1/syncs/{requested.sync_id}",
    }


def _explain(error: RefreshRefusedError) -> RequestError:
    if error.status == 400:
        return RequestError(400, "the ids of the records are malformed")
    if error.status == 404:
        return RequestError(404, "there is no such connection")
    return RequestError(409, _UNCONNECTED, state=error.refusal.state, sign_in_url=error.refusal.sign_in_url or None)
