"""A GraphQL document that a service sends to shops, with its cost and the names of its variables."""

from dataclasses import dataclass
from functools import partial

from graphql import OperationDefinitionNode, parse

from platforms.shopify.costs import compute_query_cost
from platforms.shopify.rate_limit import Query


@dataclass(frozen=True)
class GraphqlDocument(Query):
    """A GraphQL query or mutation, with the names of its variables."""

    variables: frozenset[str] = frozenset()


def parse_document(text: str) -> GraphqlDocument:
    """Return the document with this text, which has one operation and the fragments that it uses."""
    parsed = parse(text)
    operation = next(d for d in parsed.definitions if isinstance(d, OperationDefinitionNode))
    variables = frozenset(v.variable.name.value for v in operation.variable_definitions or ())
    name = operation.name.value if operation.name else ""
    return GraphqlDocument(name, text.strip(), partial(compute_query_cost, parsed), variables)
