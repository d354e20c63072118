"""The subset of Shopify's Admin schema, with every field bound to its resolver."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, build_schema, is_abstract_type

from sandbox.shopify import access_scopes
from sandbox.shopify.fields import resolver
from sandbox.shopify.fields.context import Typed


@cache
def load() -> GraphQLSchema:
    """The schema. Its resolvers are what graphql-core's own executor calls: the plan's closures give the same,
    faster.
    """
    text = files("sandbox.shopify").joinpath("schema.graphql").read_text(encoding="utf-8")
    # Shopify's own schema deprecates a field that an interface requires, which graphql-core's check refuses.
    schema = build_schema(text, assume_valid=True)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, definition in kind.fields.items():
                definition.resolve = _bind(kind.name, name, has_args=bool(definition.args))
        elif is_abstract_type(kind):
            kind.resolve_type = lambda value, _info, _kind: value.typename
    return schema


def _bind(type_name: str, field_name: str, *, has_args: bool) -> Callable[..., Any]:
    found = resolver(type_name, field_name)

    def resolve(source: Any, info: GraphQLResolveInfo[Any], **args: Any) -> Any:
        access_scopes.check(type_name, field_name, info.context)
        if isinstance(source, Typed):
            source = source.value
        if isinstance(found, str):
            return getattr(source, found)
        return found(source, info.context, args) if has_args else found(source, info.context)

    return resolve
