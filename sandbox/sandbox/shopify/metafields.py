"""Metafields and their definitions: digests, types, unique values, and the checks of values."""

import json
import re
from collections.abc import Callable
from hashlib import sha256

from sandbox.shopify.model import Metafield, MetafieldDefinition, Product
from sandbox.shopify.shops import Shop

TYPES = (
    "boolean", "color", "date", "date_time", "dimension", "id", "json", "link", "money", "multi_line_text_field",
    "number_decimal", "number_integer", "product_reference", "rating", "rich_text_field", "single_line_text_field",
    "url", "variant_reference", "volume", "weight",
)  # fmt: skip
UNIQUE_TYPES = ("date", "date_time", "id", "number_integer", "single_line_text_field", "url")
"""The types whose definitions may have unique values. Those of the type id always have them."""


def compute_digest(metafield: Metafield) -> str:
    """Return what `compareDigest` must be equal to when the metafield is set: a hash of its type and value."""
    return sha256(f"{metafield.number}\n{metafield.type}\n{metafield.value}".encode()).hexdigest()


def find_definition(shop: Shop, owner: str, namespace: str | None, key: str) -> MetafieldDefinition | None:
    """Return the definition of the metafields with this namespace and key on records of the type `owner`, or None."""
    wanted = (owner, namespace, key)
    return next((d for d in shop.definitions if (d.owner, d.namespace, d.key) == wanted), None)


def find_metafield(metafields: list[Metafield], namespace: str | None, key: str | None) -> Metafield | None:
    """Return the metafield with this namespace and key, or None."""
    return next((m for m in metafields if (m.namespace, m.key) == (namespace, key)), None)


def find_product(shop: Shop, namespace: str, key: str, value: str) -> Product | None:
    """Return the product whose metafield with this namespace and key has the value `value`, or None."""
    numbers = shop.unique_values.get((namespace, key))
    if numbers is None:
        numbers = {
            m.value: p.number for p in shop.products for m in p.metafields if (m.namespace, m.key) == (namespace, key)
        }
        shop.unique_values[namespace, key] = numbers
    product = shop.products.get(numbers.get(value, 0))
    if product is None:
        return None
    metafield = find_metafield(product.metafields, namespace, key)
    return product if metafield is not None and metafield.value == value else None


def find_problem(kind: str, value: str) -> str | None:
    """Return why `value` is no value of the metafield type `kind`, in Shopify's words; None if it is one.

    Only the types that an app for synchronization writes are checked.
    """
    if not value and kind not in ("multi_line_text_field", "json"):
        return "Value can't be blank."
    check = _CHECKS.get(kind)
    return check(value) if check is not None else None


def _check_json(value: str) -> str | None:
    try:
        json.loads(value)
    except ValueError as error:
        return f"Value is invalid JSON: {error}."
    return None


def _build_check(pattern: str, problem: str) -> Callable[[str], str | None]:
    return lambda value: None if re.fullmatch(pattern, value) else problem


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "boolean": _build_check("true|false", "Value must be true or false."),
    "date": _build_check(r"\d{4}-\d\d-\d\d", "Value must be in YYYY-MM-DD format."),
    "json": _check_json,
    "number_decimal": _build_check(r"-?\d{1,13}(\.\d{1,9})?", "Value must be a decimal."),
    "number_integer": _build_check(r"-?\d+", "Value must be an integer."),
    "single_line_text_field": _build_check(r"[^\r\n]+", "Value must be a single line text string."),
}
