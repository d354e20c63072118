"""How a field fails."""

from typing import Any

from graphql import GraphQLError

DOCS = "https://shopify.dev/api/usage"


class FieldFailure(GraphQLError):
    """An error that a client reads in `errors`, with Shopify's `extensions.code`."""

    def __init__(self, message: str, code: str, **extensions: Any) -> None:
        super().__init__(message, extensions={"code": code, **extensions})


def access_denied(field: str, scope: str) -> FieldFailure:
    """What a field answers that the granted scopes do not cover."""
    required = f"`{scope}` access scope."
    return FieldFailure(
        f"Access denied for {field} field. Required access: {required}",
        "ACCESS_DENIED",
        documentation=f"{DOCS}/access-scopes",
        requiredAccess=required,
    )
