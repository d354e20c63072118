"""Start a sync of one merchant's connection for an operator, wait until it has finished, or cancel it."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from merchant_sync.operating.internal_api import InternalApi
from merchant_sync.parts import StackError

FINAL_STATES = ("success", "failed", "cancelled")
POLL_SECONDS = 0.5


def start_sync(api: InternalApi, connection: str, records: dict[str, list[str]] | None) -> str:
    """Start a sync of a merchant's connection and return the sync's id.

    It is an incremental sync of `records` (ids by resource), or a full sync when `records` is None. Raises StackError
    with exit code 1 when the connection is unknown or not in the state `connected`, or when `records` are refused.
    """
    try:
        return api.request_sync(connection, records)
    except StackError as error:
        messages = {
            HTTPStatus.NOT_FOUND: f"No connection {connection}. `merchant-sync status` counts the existing ones.",
            HTTPStatus.CONFLICT: f"{connection} is not connected ({error}): its merchant has to sign in.",
            HTTPStatus.BAD_REQUEST: str(error),
        }
        raise _explain_refusal(error, messages) from None


def cancel_sync(api: InternalApi, connection: str, sync_id: str) -> dict[str, Any]:
    """Cancel a full sync of a merchant's connection; return its id and state.

    Raises StackError with exit code 1 when there is no such sync, or when it cannot be cancelled.
    """
    try:
        return api.cancel_sync(connection, sync_id)
    except StackError as error:
        messages = {
            HTTPStatus.NOT_FOUND: f"{connection} has no sync {sync_id}.",
            HTTPStatus.CONFLICT: f"{sync_id} cannot be cancelled: {error}",
        }
        raise _explain_refusal(error, messages) from None


def _explain_refusal(error: StackError, messages: Mapping[HTTPStatus, str]) -> StackError:
    """Return an error with exit code 1 and the message for the status of `error`, or `error` if there is none."""
    message = next((text for status, text in messages.items() if status == error.status), None)
    return error if message is None else StackError(message, exit_code=1, status=error.status)


def wait_for_sync(api: InternalApi, sync_id: str, *, on_change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Wait until the sync has finished and return it. `on_change` is called with the sync whenever it has changed."""
    last: dict[str, Any] | None = None
    while True:
        sync = api.load_sync(sync_id)
        if sync is not None and sync != last:
            on_change(sync)
            if sync["state"] in FINAL_STATES:
                return sync
            last = sync
        time.sleep(POLL_SECONDS)
