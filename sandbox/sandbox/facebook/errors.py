"""The error of the Graph API, and functions that build the errors that several modules raise."""

import secrets
from collections.abc import Iterable
from typing import Any

from starlette.exceptions import HTTPException

_DOCS = "https://developers.facebook.com/docs/graph-api"
_TOKEN_ERRORS = {
    458: "The user has not authorized application.",
    459: "You cannot access the app till you log in to www.facebook.com and follow the instructions given.",
    460: "The session has been invalidated because the user changed their password or Facebook has changed the session "
    "for security reasons.",
    463: "Session has expired.",
    464: "Sessions for the user are not allowed because the user is not a confirmed user.",
    467: "The session is invalid because the user logged out.",
    492: "The user must be an administrator, editor, or moderator of the page in order to impersonate it.",
}
_THROTTLE_ERRORS = {
    4: "Application request limit reached",
    17: "User request limit reached",
    32: "Page request limit reached",
    341: "Application limit reached",
    613: "Calls to this api have exceeded the rate limit.",
    80001: "There have been too many calls to this Page account. Wait a bit and try again.",
}


class GraphError(HTTPException):
    """An error with which the simulated Graph API answers a call.

    `code`, `subcode` and `kind` are Graph's code, subcode and type of the error. `status` is the HTTP status.
    `transient` tells the caller that the same call may succeed later.
    """

    def __init__(
        self, code: int, message: str, *, status: int = 400, subcode: int | None = None,
        kind: str = "OAuthException", transient: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(status, message)
        self.code = code
        self.body: dict[str, Any] = {"message": message, "type": kind, "code": code}
        if subcode is not None:
            self.body["error_subcode"] = subcode
        if transient:
            self.body["is_transient"] = True

    def build_body(self) -> dict[str, Any]:
        """Build the JSON body of the response. Each body gets a new trace id."""
        return {"error": {**self.body, "fbtrace_id": create_trace_id()}}


def create_trace_id() -> str:
    """Create a random id. Every response of the Graph API carries one."""
    return f"A{secrets.token_urlsafe(16)}"


def build_token_error(subcode: int | None) -> GraphError:
    """Build the error for an invalid token.

    `subcode` is Graph's number for the reason why the token is no longer valid. None is for a token that does not
    exist.
    """
    if subcode is None:
        return GraphError(190, "Invalid OAuth access token - Cannot parse access token")
    reason = _TOKEN_ERRORS.get(subcode, "The session is invalid.")
    return GraphError(190, f"Error validating access token: {reason}", subcode=subcode)


def build_throttle_error(code: int) -> GraphError:
    """Build the error for too many calls. `code` is Graph's error code, which tells the rate limit that is exceeded."""
    message = _THROTTLE_ERRORS.get(code, "There have been too many calls.")
    return GraphError(code, f"(#{code}) {message}", status=400 if code >= 80000 else 403, transient=code == 4)


def build_fault_error(code: int, subcode: int | None) -> GraphError:
    """Build the error with which a fault (a failure that is switched on) makes a call fail.

    `code` and `subcode` are Graph's error code and subcode, as set in the fault.
    """
    if code == 190:
        return build_token_error(subcode)
    if code in _THROTTLE_ERRORS or code >= 80000:
        return build_throttle_error(code)
    if code in (1, 2):
        return build_transient_error(code)
    return GraphError(code, f"(#{code}) The sandbox was told to say so", subcode=subcode)


def build_transient_error(code: int = 2) -> GraphError:
    """Build an error that is temporary: the same call may succeed later. `code` is Graph's error code, 1 or 2."""
    message = "An unknown error occurred" if code == 1 else "An unexpected error has occurred. Please retry later."
    return GraphError(code, message, status=500, transient=True)


def build_missing_object_error(node: str) -> GraphError:
    """Build the error for a node (an object of the Graph API) that does not exist or that the token may not read.

    `node` is the id of the node.
    """
    message = (
        f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing "
        f"permissions, or does not support this operation. Please read the Graph API documentation at {_DOCS}"
    )
    return GraphError(100, message, subcode=33, kind="GraphMethodException")


def build_unknown_field_error(name: str, node_type: str) -> GraphError:
    """Build the error for a field or edge `name` that nodes of the type `node_type`, such as Page, do not have."""
    return GraphError(100, f"(#100) Tried accessing nonexisting field ({name}) on node type ({node_type})")


def build_permission_error(permission: str, action: str) -> GraphError:
    """Build the error for a permission that the user has not granted. `action` describes the refused call."""
    return GraphError(200, f"(#200) To {action}, one of these permissions is needed: {permission}", status=403)


def build_enum_error(param: str, allowed: Iterable[str], value: str) -> GraphError:
    """Build the error for a parameter whose value is not among the allowed ones."""
    return GraphError(100, f'(#100) Param {param} must be one of {{{", ".join(sorted(allowed))}}} - got "{value}"')
