"""Graph's errors: one exception, and those that are said in several places."""

import secrets
from collections.abc import Iterable
from typing import Any

_DOCS = "https://developers.facebook.com/docs/graph-api"
_DEAD = {
    458: "The user has not authorized application.",
    459: "You cannot access the app till you log in to www.facebook.com and follow the instructions given.",
    460: "The session has been invalidated because the user changed their password or Facebook has changed the session "
    "for security reasons.",
    463: "Session has expired.",
    464: "Sessions for the user are not allowed because the user is not a confirmed user.",
    467: "The session is invalid because the user logged out.",
    492: "The user must be an administrator, editor, or moderator of the page in order to impersonate it.",
}
_THROTTLES = {
    4: "Application request limit reached",
    17: "User request limit reached",
    32: "Page request limit reached",
    341: "Application limit reached",
    613: "Calls to this api have exceeded the rate limit.",
    80001: "There have been too many calls to this Page account. Wait a bit and try again.",
}


class GraphError(Exception):
    """What a call answers instead of data, with the HTTP status that goes with it."""

    def __init__(
        self, code: int, message: str, *, status: int = 400, subcode: int | None = None,
        kind: str = "OAuthException", transient: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code = code
        self.status = status
        self.body: dict[str, Any] = {"message": message, "type": kind, "code": code}
        if subcode is not None:
            self.body["error_subcode"] = subcode
        if transient:
            self.body["is_transient"] = True

    def envelope(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": {**self.body, "fbtrace_id": trace_id()}}


def trace_id() -> str:
    """A new id as every answer carries one."""
    return f"A{secrets.token_urlsafe(16)}"


def dead_token(subcode: int | None) -> GraphError:
    """A token that is not good any more, or (None) never was."""
    if subcode is None:
        return GraphError(190, "Invalid OAuth access token - Cannot parse access token")
    reason = _DEAD.get(subcode, "The session is invalid.")
    return GraphError(190, f"Error validating access token: {reason}", subcode=subcode)


def throttled(code: int) -> GraphError:
    """Too many calls."""
    message = _THROTTLES.get(code, "There have been too many calls.")
    return GraphError(code, f"(#{code}) {message}", status=400 if code >= 80000 else 403, transient=code == 4)


def told(code: int, subcode: int | None) -> GraphError:
    """The error of that code which somebody told the sandbox to make."""
    if code == 190:
        return dead_token(subcode)
    if code in _THROTTLES or code >= 80000:
        return throttled(code)
    if code in (1, 2):
        return unexpected(code)
    return GraphError(code, f"(#{code}) The sandbox was told to say so", subcode=subcode)


def unexpected(code: int = 2) -> GraphError:
    """An error that goes by itself."""
    message = "An unknown error occurred" if code == 1 else "An unexpected error has occurred. Please retry later."
    return GraphError(code, message, status=500, transient=True)


def no_object(node: str) -> GraphError:
    """A node that is not there, or not for this token."""
    message = (
        f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing "
        f"permissions, or does not support this operation. Please read the Graph API documentation at {_DOCS}"
    )
    return GraphError(100, message, subcode=33, kind="GraphMethodException")


def no_field(name: str, node_type: str) -> GraphError:
    """A field or edge that nodes of the type do not have."""
    return GraphError(100, f"(#100) Tried accessing nonexisting field ({name}) on node type ({node_type})")


def not_granted(permission: str, what: str) -> GraphError:
    """A permission that the person did not give."""
    return GraphError(200, f"(#200) To {what}, one of these permissions is needed: {permission}", status=403)


def not_one_of(place: str, allowed: Iterable[str], got: str) -> GraphError:
    """A parameter outside its enumeration."""
    return GraphError(100, f'(#100) Param {place} must be one of {{{", ".join(sorted(allowed))}}} - got "{got}"')
