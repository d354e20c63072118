"""The mutations metafieldDefinitionCreate and metafieldsSet, and the queries of definitions."""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.shopify import metafields
from sandbox.shopify.fields.context import Args, Context, Resolver, get_number_key, parse_gid_number
from sandbox.shopify.gids import parse_gid
from sandbox.shopify.model import MetafieldDefinition, Product, Variant
from sandbox.shopify.mutations.identifiers import resolve_namespace
from sandbox.shopify.mutations.metafield_writes import MetafieldValue, find_name_problem, parse_metafield, put_metafield
from sandbox.shopify.mutations.user_errors import MAXIMUM_LENGTH, Path, UserError, build_user_error
from sandbox.shopify.pagination import NodePage, build_page
from sandbox.shopify.product_edit import ProductEdit

_MAXIMUM_METAFIELDS = 25
_STALE = "The resource has been updated since it was loaded. Try again with an updated `compareDigest` value."
Owner = Product | Variant


def _create_definition(_: Any, context: Context, args: Args) -> dict[str, Any]:
    fields = args["definition"]
    namespace = resolve_namespace(fields.get("namespace"))
    errors = _find_definition_errors(context, fields, namespace)
    if errors:
        return {"createdDefinition": None, "userErrors": errors}
    is_unique = fields["type"] == "id" or _is_unique_wished(fields)
    definition = MetafieldDefinition(
        context.shop.allocate_number(), fields["ownerType"], namespace, fields["key"], fields["name"], fields["type"],
        fields.get("description"), bool(is_unique),
    )  # fmt: skip
    context.shop.definitions.put(definition)
    context.changes.add_changed_record("definition", definition)
    return {"createdDefinition": definition, "userErrors": []}


def _is_unique_wished(fields: Mapping[str, Any]) -> bool | None:
    """Return whether the input wishes unique values; None if it does not say so."""
    capability = (fields.get("capabilities") or {}).get("uniqueValues")
    return bool(capability["enabled"]) if capability is not None else None


def _find_definition_errors(context: Context, fields: Mapping[str, Any], namespace: str) -> list[UserError]:
    key, type_, owner = fields["key"], fields["type"], fields["ownerType"]
    problem = find_name_problem(namespace, key)
    errors = [build_user_error(["definition", problem[0]], problem[1], problem[2])] if problem is not None else []
    for name, text in (("namespace", namespace), ("key", key)):
        if not re.fullmatch(r"[\w-]*", text, re.ASCII):
            message = f"{name.title()} contains one or more invalid characters."
            errors.append(build_user_error(["definition", name], message, "INVALID_CHARACTER"))
    if type_.removeprefix("list.") not in metafields.TYPES:
        message = f"Type name {type_} is not a valid type. Valid types are: {', '.join(metafields.TYPES)}."
        errors.append(build_user_error(["definition", "type"], message, "INCLUSION"))
    if len(fields["name"]) > MAXIMUM_LENGTH:
        message = f"Name is too long (maximum is {MAXIMUM_LENGTH} characters)"
        errors.append(build_user_error(["definition", "name"], message, "TOO_LONG"))
    if type_ == "id" and _is_unique_wished(fields) is False:
        message = "Capability unique_values is required for type id but is disabled"
        errors.append(build_user_error(["definition"], message, "CAPABILITY_REQUIRED_BUT_DISABLED"))
    elif _is_unique_wished(fields) and type_ not in metafields.UNIQUE_TYPES:
        message = "The capability unique_values is not valid for this definition."
        errors.append(build_user_error(["definition"], message, "INVALID_CAPABILITY"))
    if metafields.find_definition(context.shop, owner, namespace, key) is not None:
        message = f"Key is in use for {owner.title()} metafields on the '{namespace}' namespace."
        errors.append(build_user_error(["definition", "key"], message, "TAKEN"))
    return errors


def _set_metafields(_: Any, context: Context, args: Args) -> dict[str, Any]:
    inputs = args["metafields"]
    if len(inputs) > _MAXIMUM_METAFIELDS:
        message = f"Exceeded the maximum metafields input limit of {_MAXIMUM_METAFIELDS}."
        error = build_user_error(["metafields"], message, "LESS_THAN_OR_EQUAL_TO")
        return {"metafields": None, "userErrors": [error]}
    rows: list[tuple[Product, Owner, MetafieldValue]] = []
    errors: list[UserError] = []
    for index, fields in enumerate(inputs):
        row = _parse_row(context, fields, ["metafields", index])
        if isinstance(row, dict):
            errors.append(row)
        else:
            rows.append(row)
    if errors:
        return {"metafields": [], "userErrors": errors}
    edits = {product.number: ProductEdit(context.shop, context.changes, product) for product, _, _ in rows}
    written = [put_metafield(edits[product.number], owner, value) for product, owner, value in rows]
    for edit in edits.values():
        edit.finish()
    return {"metafields": written, "userErrors": []}


def _parse_row(
    context: Context, fields: Mapping[str, Any], path: Path
) -> tuple[Product, Owner, MetafieldValue] | UserError:
    owner = _find_owner(context, fields["ownerId"])
    product = context.shop.products.get(owner.product) if isinstance(owner, Variant) else owner
    if owner is None or product is None:
        return build_user_error([*path, "ownerId"], "Owner does not exist.", "INVALID_VALUE")
    value = parse_metafield(context.shop, owner, fields)
    if not isinstance(value, MetafieldValue):
        return build_user_error([*path, value[0]], value[1], value[2])
    existing = metafields.find_metafield(owner.metafields, value.namespace, value.key)
    if "compareDigest" in fields:
        digest = fields["compareDigest"]
        # A null digest says that the metafield must not exist yet.
        if existing is None and digest is not None:
            return build_user_error(path, "Invalid `compareDigest` value.", "INVALID_COMPARE_DIGEST")
        if existing is not None and digest != metafields.compute_digest(existing):
            return build_user_error(path, _STALE, "STALE_OBJECT")
    return product, owner, value


def _find_owner(context: Context, gid: str) -> Owner | None:
    try:
        kind, number, _ = parse_gid(gid)
    except ValueError:
        return None
    tables: dict[str, Any] = {"Product": context.shop.products, "ProductVariant": context.shop.variants}
    return tables[kind].get(number) if kind in tables else None


def _list_definitions(_: Any, context: Context, args: Args) -> NodePage:
    namespace, key = args.get("namespace"), args.get("key")
    definitions = [
        d
        for d in context.shop.definitions
        if d.owner == args["ownerType"] and namespace in (None, d.namespace) and key in (None, d.key)
    ]
    return build_page(definitions, get_number_key, args)


def _find_definition(_: Any, context: Context, args: Args) -> MetafieldDefinition | None:
    if args.get("id"):
        return context.shop.definitions.get(parse_gid_number(args["id"], "MetafieldDefinition"))
    identifier = args.get("identifier") or {}
    namespace = resolve_namespace(identifier.get("namespace"))
    return metafields.find_definition(
        context.shop, identifier.get("ownerType", ""), namespace, identifier.get("key", "")
    )


def _count_metafields(definition: MetafieldDefinition, context: Context, _: Args) -> int:
    wanted = (definition.namespace, definition.key)
    owners: Any = context.shop.products if definition.owner == "PRODUCT" else context.shop.variants
    return sum((m.namespace, m.key) == wanted for owner in owners for m in owner.metafields)


QUERIES: dict[str, Resolver] = {"metafieldDefinition": _find_definition, "metafieldDefinitions": _list_definitions}
MUTATIONS: dict[str, Resolver] = {"metafieldDefinitionCreate": _create_definition, "metafieldsSet": _set_metafields}
FIELDS: dict[str, dict[str, Resolver]] = {
    "MetafieldDefinition": {
        "id": lambda d, _: f"gid://shopify/MetafieldDefinition/{d.number}",
        "ownerType": "owner",
        "type": lambda d, _: d,
        "capabilities": lambda d, _: d,
        "metafieldsCount": _count_metafields,
    },
    "MetafieldDefinitionType": {
        "name": "type",
        "category": lambda d, _: "ID" if d.type == "id" else "TEXT" if "text" in d.type else d.type.upper(),
    },
    "MetafieldCapabilities": {"uniqueValues": lambda d, _: d},
    "MetafieldCapabilityUniqueValues": {
        "enabled": "is_unique",
        "eligible": lambda d, _: d.type in metafields.UNIQUE_TYPES,
    },
    "MetafieldDefinitionConnection": {"pageInfo": lambda o, _: o},
}
