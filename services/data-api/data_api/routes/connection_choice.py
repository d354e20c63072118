"""Finds the connection that a request is about."""

from contracts.events import ConnectionChanged
from data_api.access import AccessControl, ApiCaller
from data_api.asgi.errors import RequestError

MAX_LISTED = 1000


def get_connection(access: AccessControl, caller: ApiCaller, name: str) -> ConnectionChanged:
    """Return a connection that the caller may see. Raises `RequestError` 404 for any other name."""
    connection = access.get_visible(caller, name)
    if connection is None:
        raise RequestError(404, "there is no such connection")
    return connection


def choose_connection(access: AccessControl, caller: ApiCaller, name: str | None) -> ConnectionChanged:
    """Return the named connection, or without a name the only one that the caller may see.

    Raises `RequestError` 404 if there is none, and 400 with a list if there are several.
    """
    name = name if name is not None else caller.connection
    if name is not None:
        return get_connection(access, caller, name)
    visible = access.list_visible(caller)
    if not visible:
        raise RequestError(404, "there is no connection that this key may read")
    if len(visible) > 1:
        names = [state.connection for state in visible[:MAX_LISTED]]
        raise RequestError(400, "the key is for several connections: name one as connection", connections=names)
    return visible[0]
