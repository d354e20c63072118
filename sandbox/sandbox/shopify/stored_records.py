"""Builds the records of a shop from the JSON that the store keeps."""

from typing import Any

from sandbox.shopify.model import (
    Collection,
    Discount,
    Items,
    Level,
    Location,
    Media,
    Metafield,
    MetafieldDefinition,
    Option,
    Product,
    Profile,
    Record,
    Rule,
    Value,
    Variant,
)


def _load_discount(body: dict[str, Any]) -> Discount:
    gets = body["gets"]
    if gets is not None:
        effect = gets["effect"]
        gets = Value(**{**gets, "effect": Value(**effect) if effect else None})
    items = {name: Items(**body[name]) for name in ("gets_items", "buys_items")}
    codes = {int(number): code for number, code in body["codes"].items()}
    return Discount(**{**body, **items, "gets": gets, "codes": codes})


def _load_product(body: dict[str, Any]) -> Product:
    parts = {
        "variants": [_load_variant(variant) for variant in body["variants"]],
        "options": [Option(**o) for o in body["options"]],
        "media": [Media(**m) for m in body["media"]],
        "metafields": [Metafield(**m) for m in body["metafields"]],
    }
    return Product(**{**body, **parts})


def _load_variant(body: dict[str, Any]) -> Variant:
    parts = {
        "levels": [Level(**level) for level in body["levels"]],
        "metafields": [Metafield(**m) for m in body.get("metafields", ())],
    }
    return Variant(**{**body, **parts})


def load_record(kind: str, body: dict[str, Any]) -> Record:
    """Build the record of the given `kind` from the JSON `body` that the store keeps.

    `kind` is product, collection, discount, location, definition or profile.
    """
    if kind == "product":
        return _load_product(body)
    if kind == "discount":
        return _load_discount(body)
    if kind == "definition":
        return MetafieldDefinition(**body)
    if kind == "collection":
        return Collection(**{**body, "rule": Rule(**body["rule"]) if body["rule"] else None})
    return Location(**body) if kind == "location" else Profile(**body)
