"""Finds out who calls the internal API, and refuses callers without the permission."""

from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import Header, HTTPException

from service.service_auth import identify_caller

AuthenticateCaller = Callable[..., str]
"""A dependency of routes: returns the name of a request's caller, or answers 401 without a valid key."""


def create_caller_dependency(callers: Mapping[str, str]) -> AuthenticateCaller:
    """Return the dependency for these callers. `callers` are their names by the SHA-256 of their keys."""

    def authenticate_caller(authorization: Annotated[str, Header()] = "") -> str:
        name = identify_caller(callers, authorization)
        if name is None:
            raise HTTPException(401, "unknown caller", {"WWW-Authenticate": "Bearer"})
        return name

    return authenticate_caller


def require_permission(allowed: bool) -> None:
    """Answer 403 unless the caller is allowed to do this."""
    if not allowed:
        raise HTTPException(403, "not for this caller")
