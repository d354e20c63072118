"""The part of Shopify's Admin GraphQL schema that the sandbox serves, with the resolvers of all fields."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, build_schema, is_abstract_type
from graphql.execution.values import get_directive_values

from sandbox.shopify import access_scopes
from sandbox.shopify.fields.context import TypedValue
from sandbox.shopify.fields.table import find_resolver
from sandbox.shopify.mutations.execution import execute_mutation
from sandbox.shopify.mutations.tables import MUTATIONS


@cache
def load_schema() -> GraphQLSchema:
    """Load the schema of the GraphQL API that the sandbox serves, with a resolver for every field.

    graphql-core calls these resolvers when it executes a document. The plans (compiled queries) of `query_plan` call
    the same resolvers.
    """
    text = files("sandbox.shopify").joinpath("schema.graphql").read_text(encoding="utf-8")
    # The check of graphql-core would refuse this schema: like Shopify's, it deprecates a field of an interface.
    schema = build_schema(text, assume_valid=True)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, definition in kind.fields.items():
                if kind.name == "Mutation" and name in MUTATIONS:
                    definition.resolve = _build_mutation_resolver(name)
                else:
                    definition.resolve = _build_resolver(kind.name, name, has_args=bool(definition.args))
        elif is_abstract_type(kind):
            kind.resolve_type = lambda value, _info, _kind: value.typename
    return schema


def _build_resolver(type_name: str, field_name: str, *, has_args: bool) -> Callable[..., Any]:
    resolver = find_resolver(type_name, field_name)

    def resolve(source: Any, info: GraphQLResolveInfo[Any], **args: Any) -> Any:
        access_scopes.check_access(type_name, field_name, info.context)
        if isinstance(source, TypedValue):
            source = source.value
        if isinstance(resolver, str):
            return getattr(source, resolver)
        return resolver(source, info.context, args) if has_args else resolver(source, info.context)

    return resolve


def _build_mutation_resolver(name: str) -> Callable[..., Any]:
    def resolve(_: Any, info: GraphQLResolveInfo[Any], **args: Any) -> Any:
        access_scopes.check_access("Mutation", name, info.context)
        info.context.idempotency_key = _read_idempotency_key(info)
        return execute_mutation(name, MUTATIONS[name], info.context, args, info.return_type)

    return resolve


def _read_idempotency_key(info: GraphQLResolveInfo[Any]) -> str | None:
    """Return the key in the directive @idempotent of a mutation, or None."""
    directive = info.schema.get_directive("idempotent")
    assert directive is not None
    values = get_directive_values(directive, info.field_nodes[0], info.variable_values)
    return values["key"] if values is not None else None
