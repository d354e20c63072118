"""The parts of GraphQL answers that are about errors and about the cost."""

import re
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode

from sandbox.shopify import errors
from sandbox.shopify.rate_limit import MAXIMUM_COST

Body = dict[str, Any]
_UNDEFINED_FIELD = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")


def format_error(error: GraphQLError, code: str = "BAD_REQUEST") -> Body:
    """Return an error of a document or of a field as clients see it. `code` is the code of one without its own."""
    undefined = _UNDEFINED_FIELD.match(error.message)
    message = f"Field '{undefined[1]}' doesn't exist on type '{undefined[2]}'" if undefined else error.message
    body: Body = {"message": message}
    if error.locations:
        body["locations"] = [{"line": location.line, "column": location.column} for location in error.locations]
    if error.path:
        body["path"] = error.path
    body["extensions"] = error.extensions or {"code": "undefinedField" if undefined else code}
    return body


def build_cost(requested: int, actual: int | None, status: dict[str, int]) -> Body:
    """Build `extensions.cost` of an answer."""
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}


def build_throttled(requested: int, status: dict[str, int]) -> Body:
    """Build the answer to a document for whose cost the bucket has too few points."""
    extensions = {"code": "THROTTLED", "documentation": f"{errors.DOCS_URL}/rate-limits"}
    return {
        "errors": [{"message": "Throttled", "extensions": extensions}],
        "extensions": {"cost": build_cost(requested, None, status)},
    }


def build_cost_exceeded(requested: int, status: dict[str, int]) -> Body:
    """Build the answer to a document that costs more than any may."""
    documentation = f"{errors.DOCS_URL}/rate-limits"
    message = (
        f"Query cost is {requested}, which exceeds the single query max cost limit ({MAXIMUM_COST}).\n\n"
        f"See {documentation} for more information on how the cost of a query is calculated."
    )
    extensions = {
        "code": "MAX_COST_EXCEEDED",
        "cost": requested,
        "maxCost": MAXIMUM_COST,
        "documentation": documentation,
    }
    return {
        "errors": [{"message": message, "extensions": extensions}],
        "extensions": {"cost": build_cost(requested, None, status)},
    }


def build_fake_warning(operation: OperationDefinitionNode) -> Body:
    """Build the search warning that a query without mistakes gets while the fault `search_warnings` is on."""
    first = operation.selection_set.selections[0]
    path = getattr(getattr(first, "name", None), "value", "query")
    warning = {"field": "id", "message": "Invalid search field for this query.", "code": "invalid_field"}
    return {"path": [path], "query": "", "parsed": {}, "warnings": [warning]}
