"""The errors of GraphQL fields."""

from typing import Any

from graphql import GraphQLError

DOCS_URL = "https://shopify.dev/api/usage"


def build_field_error(message: str, code: str, **extensions: Any) -> GraphQLError:
    """Build an error that clients see in `errors`. `code` becomes `extensions.code`."""
    return GraphQLError(message, extensions={"code": code, **extensions})


def build_access_denied_error(field: str, scope: str) -> GraphQLError:
    """Build the error of the GraphQL field `field`, which requires the access scope `scope` that is not granted."""
    required = f"`{scope}` access scope."
    return build_field_error(
        f"Access denied for {field} field. Required access: {required}",
        "ACCESS_DENIED",
        documentation=f"{DOCS_URL}/access-scopes",
        requiredAccess=required,
    )
