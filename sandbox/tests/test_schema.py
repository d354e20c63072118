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
def shopify_schema(references: Path) -> GraphQLSchema:
    return build_schema((references / "shopify-schema/admin-2026-07.nodesc.graphql").read_text(), assume_valid=True)


def _list_differences(ours: object, theirs: object) -> list[str]:
    assert type(ours) is type(theirs)
    differences: list[str] = []
    if isinstance(ours, GraphQLObjectType | GraphQLInterfaceType):
        for name, field in ours.fields.items():
            real = theirs.fields.get(name)
            if real is None or str(real.type) != str(field.type) or real.deprecation_reason != field.deprecation_reason:
                differences.append(f"{ours.name}.{name}")
                continue
            path = f"{ours.name}.{name}"
            differences += [f"{path}({arg})" for arg, a in field.args.items() if not _is_same(real.args.get(arg), a)]
            differences += [
                f"{path}({arg})!" for arg, a in real.args.items() if _is_required(a) and arg not in field.args
            ]
        differences += [
            f"{ours.name} implements {i}" for i in ours.interfaces if i.name not in {o.name for o in theirs.interfaces}
        ]
    elif isinstance(ours, GraphQLInputObjectType):
        differences += [
            f"{ours.name}.{name}" for name, f in ours.fields.items() if not _is_same(theirs.fields.get(name), f)
        ]
        differences += [
            f"{ours.name}.{name}!" for name, f in theirs.fields.items() if _is_required(f) and name not in ours.fields
        ]
    elif isinstance(ours, GraphQLEnumType):
        differences += [f"{ours.name}.{value}" for value in ours.values if value not in theirs.values]
    elif isinstance(ours, GraphQLUnionType):
        differences += [f"{ours.name}|{t}" for t in ours.types if t.name not in {o.name for o in theirs.types}]
    return differences


def _is_same(theirs: object, ours: object) -> bool:
    return theirs is not None and str(theirs.type) == str(ours.type) and theirs.default_value == ours.default_value


def _is_required(field: object) -> bool:
    return str(field.type).endswith("!") and str(field.default_value) == "Undefined"


def test_every_definition_in_the_schema_equals_shopifys(shopify_schema: GraphQLSchema) -> None:
    ours = schema.load_schema()
    differences = []
    for name, kind in ours.type_map.items():
        if is_introspection_type(kind) or is_specified_scalar_type(kind):
            continue
        assert name in shopify_schema.type_map
        differences += _list_differences(kind, shopify_schema.type_map[name])
    assert differences == []
