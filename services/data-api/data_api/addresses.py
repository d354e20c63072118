"""The addresses that answers name."""

from urllib.parse import quote
from uuid import UUID

from data_api.asgi.errors import RequestError


def build_connection_path(connection: str) -> str:
    """Return the path of a connection, whose name is one segment."""
    return f"/v1/connections/{quote(connection, safe=':')}"


def build_restart(connection: str) -> str:
    """Return the path with which a reader begins anew after a reset: the head that its new copy begins with."""
    return f"{build_connection_path(connection)}/changes/head"


def build_sync_path(sync_id: UUID) -> str:
    """Return the path of a sync."""
    return f"/v1/syncs/{sync_id}"


def build_reset_error(connection: str) -> RequestError:
    """Return the error of a cursor from which nothing can go on: the reader's copy must be read anew."""
    message = "the feed cannot go on from this cursor: take a new head, and read all records again"
    return RequestError(410, message, status="reset", restart=build_restart(connection))
