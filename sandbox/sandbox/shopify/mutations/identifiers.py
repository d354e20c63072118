"""Which product a mutation is about: its id, its handle, or a custom id that an app has given it."""

from collections.abc import Mapping
from typing import Any

from sandbox.shopify import metafields
from sandbox.shopify.errors import build_field_error
from sandbox.shopify.fields.context import Context, parse_gid_number
from sandbox.shopify.model import Product
from sandbox.shopify.product_handles import find_product_by_handle

APP_NAMESPACE = "app--1"
"""The namespace of metafields without one: that of the app."""


def get_product(context: Context, gid: str | None) -> Product | None:
    """Return the product with the gid, or None."""
    return context.shop.products.get(parse_gid_number(gid, "Product")) if gid else None


def resolve_namespace(namespace: str | None) -> str:
    """Return a namespace as it is stored: the app's own where there is none, or where it begins with $app."""
    if not namespace or namespace == "$app":
        return APP_NAMESPACE
    return namespace.replace("$app:", f"{APP_NAMESPACE}--", 1)


def find_identified_product(context: Context, identifier: Mapping[str, Any]) -> Product | None:
    """Return the product that the `identifier` of a query or a mutation names, or None.

    Raises GraphQLError if it names none or more than one way, or a custom id without a definition of the type id.
    """
    given = {name: value for name, value in identifier.items() if value is not None}
    if len(given) != 1:
        raise build_field_error("Exactly one identifier must be provided.", "INVALID_FIELD_ARGUMENTS")
    if "id" in given:
        return get_product(context, given["id"])
    if "handle" in given:
        return find_product_by_handle(context.shop, given["handle"])
    return _find_by_custom_id(context, given["customId"])


def _find_by_custom_id(context: Context, custom_id: Mapping[str, Any]) -> Product | None:
    namespace, key = resolve_namespace(custom_id.get("namespace")), custom_id["key"]
    definition = metafields.find_definition(context.shop, "PRODUCT", namespace, key)
    if definition is None or definition.type != "id":
        message = "Metafield definition of type 'id' is required when using custom ids."
        raise build_field_error(message, "NOT_FOUND")
    return metafields.find_product(context.shop, namespace, key, custom_id["value"])
