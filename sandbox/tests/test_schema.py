from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
)

from sandbox.shopify import schema


@pytest.fixture
def published(references: Path) -> GraphQLSchema:
    return build_schema((references / "shopify-schema/admin-2026-07.nodesc.graphql").read_text(), assume_valid=True)


def _differences(ours: object, theirs: object) -> list[str]:
    assert type(ours) is type(theirs)
    found: list[str] = []
    if isinstance(ours, GraphQLObjectType | GraphQLInterfaceType):
        for name, field in ours.fields.items():
            real = theirs.fields.get(name)
            if real is None or str(real.type) != str(field.type) or real.deprecation_reason != field.deprecation_reason:
                found.append(f"{ours.name}.{name}")
                continue
            found += [f"{ours.name}.{name}({arg})" for arg, a in field.args.items() if not _same(real.args.get(arg), a)]
            found += [
                f"{ours.name}.{name}({arg})!" for arg, a in real.args.items() if _required(a) and arg not in field.args
            ]
        found += [
            f"{ours.name} implements {i}" for i in ours.interfaces if i.name not in {o.name for o in theirs.interfaces}
        ]
    elif isinstance(ours, GraphQLInputObjectType):
        found += [f"{ours.name}.{name}" for name, f in ours.fields.items() if not _same(theirs.fields.get(name), f)]
        found += [
            f"{ours.name}.{name}!" for name, f in theirs.fields.items() if _required(f) and name not in ours.fields
        ]
    elif isinstance(ours, GraphQLEnumType):
        found += [f"{ours.name}.{value}" for value in ours.values if value not in theirs.values]
    elif isinstance(ours, GraphQLUnionType):
        found += [f"{ours.name}|{t}" for t in ours.types if t.name not in {o.name for o in theirs.types}]
    return found


def _same(theirs: object, ours: object) -> bool:
    return theirs is not None and str(theirs.type) == str(ours.type) and theirs.default_value == ours.default_value


def _required(field: object) -> bool:
    return str(field.type).endswith("!") and str(field.default_value) == "Undefined"


def test_everything_in_the_schema_is_in_shopifys_identically(published: GraphQLSchema) -> None:
    ours = schema.load()
    differences = []
    for name, kind in ours.type_map.items():
        if is_introspection_type(kind) or is_specified_scalar_type(kind):
            continue
        assert name in published.type_map
        differences += _differences(kind, published.type_map[name])
    assert differences == []
