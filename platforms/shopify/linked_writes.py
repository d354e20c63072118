"""Translates between the form of values that both sides of a link share and what the Admin API reads and takes.

`platforms.shopify.linking` reads records of the change feed; here are the nodes that a writer reads in a shop, and the
inputs of mutations. The functions that build inputs raise `ValueError` for a value that has not the form of its field.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from linking.fields import FIELDS, ValueKind
from linking.records import PRODUCTS, VARIANTS, SkuFormat, Value, Values
from linking.sku_formats import format_sku
from linking.values import GRAMS, convert_to_amount, convert_to_grams, normalise
from platforms.shopify.linking import ONLY_OPTION, PUBLISHED, extract_options, parse_sku_field

EXTERNAL_ID = {"namespace": "merchant_sync", "key": "external_id"}
"""The metafield with the id under which a link has made a product: a custom id, so that no product is made twice."""
EXTERNAL_ID_DEFINITION = {**EXTERNAL_ID, "name": "Merchant Sync id", "ownerType": "PRODUCT", "type": "id"}
"""The definition that a shop must have of that metafield, as the input of `metafieldDefinitionCreate`."""
ACTIVE, DRAFT = "ACTIVE", "DRAFT"
_UNITS = {"GRAMS": "g", "KILOGRAMS": "kg", "OUNCES": "oz", "POUNDS": "lb"}
_TEXTS = {"title": "title", "description": "descriptionHtml", "vendor": "vendor", "product_type": "productType"}
"""The product's fields in the Admin API, by the names of shared fields."""
_KINDS = {(one.resource, one.name): one.kind for one in FIELDS}


def read_product_values(node: Mapping[str, Any]) -> dict[str, Value]:
    """Return the shared values of a product as the Admin API has answered it.

    `options` is among them if the answer has the options, `published` if it is known of the product's status.
    """
    values: dict[str, Value] = {name: node[field] for name, field in _TEXTS.items()}
    values["tags"] = list(node["tags"])
    if node["status"] in PUBLISHED:
        values["published"] = PUBLISHED[node["status"]]
    if "options" in node:
        values["options"] = extract_options(node["options"])
    return values


def read_variant_values(node: Mapping[str, Any], sku_format: SkuFormat) -> dict[str, Value]:
    """Return the shared values of a variant as the Admin API has answered it."""
    item = node["inventoryItem"]
    cost, weight = item.get("unitCost"), item["measurement"]["weight"]
    return {
        "sku": parse_sku_field(node["sku"], sku_format).sku or None,
        "barcode": (node["barcode"] or "").strip() or None,
        "price": convert_to_amount(node["price"]),
        "compare_at_price": convert_to_amount(node["compareAtPrice"]),
        "cost": convert_to_amount(cost["amount"]) if cost else None,
        "weight": convert_to_grams(weight["value"], _UNITS.get(weight["unit"], weight["unit"])) if weight else None,
    }


def build_product_input(values: Values) -> dict[str, Any]:
    """Return the fields of a `ProductUpdateInput` or `ProductSetInput` that write `values`, without the options."""
    _check_forms(PRODUCTS, values, None)
    written: dict[str, Any] = {field: values[name] or "" for name, field in _TEXTS.items() if name in values}
    if "tags" in values:
        # A tag never holds a comma: a shop takes it for two.
        parts = [part.strip() for tag in values["tags"] or () for part in tag.split(",")]
        written["tags"] = [part for part in parts if part]
    if "published" in values:
        written["status"] = ACTIVE if values["published"] else DRAFT
    return written


def build_variant_input(
    values: Values, present: Mapping[str, Any] | None, sku_format: SkuFormat, currency: str | None
) -> dict[str, Any]:
    """Return the fields of a `ProductVariantsBulkInput` or `ProductVariantSetInput` that write `values`.

    `present` is the variant as it was read, None for a new one: its bin stays, and its unit of weight. Raises
    `ValueError` also for a SKU that is missing or cannot be written in `sku_format`.
    """
    _check_forms(VARIANTS, values, currency)
    written: dict[str, Any] = {}
    item: dict[str, Any] = {}
    if "sku" in values:
        bin_name = parse_sku_field(present["sku"], sku_format).bin if present else None
        item["sku"] = format_sku(values["sku"] or "", bin_name, sku_format)
    if "barcode" in values:
        written["barcode"] = values["barcode"] or None
    if "price" in values:
        written["price"] = _format_amount(values["price"], currency) or "0"
    if "compare_at_price" in values:
        written["compareAtPrice"] = _format_amount(values["compare_at_price"], currency)
    if "cost" in values:
        item["cost"] = _format_amount(values["cost"], currency)
    if "weight" in values:
        item["measurement"] = {"weight": _build_weight(values["weight"], present)}
    return {**written, "inventoryItem": item} if item else written


def build_new_product(
    external_id: str, fields: Values, variants: Sequence[Values], sku_format: SkuFormat, currency: str | None
) -> dict[str, Any]:
    """Return the `ProductSetInput` of a new product with the custom id `external_id`, and with these variants.

    The variants have `option_values` by the names of the options in `fields["options"]`, and `stock`, the available
    units by location, if it is counted. A product of which nobody says whether it is published becomes a draft.
    """
    options = fields.get("options") or [{"name": ONLY_OPTION[0], "values": ONLY_OPTION[1]}]
    _check_forms(PRODUCTS, {"options": options}, None)
    return {
        "status": DRAFT,
        **build_product_input({name: value for name, value in fields.items() if name != "options"}),
        # Without `type`: where there is a definition, Shopify refuses the type of a custom id.
        "metafields": [{**EXTERNAL_ID, "value": external_id}],
        "productOptions": [
            {"name": one["name"], "position": position, "values": [{"name": value} for value in one["values"]]}
            for position, one in enumerate(options, 1)
        ],
        "variants": [_build_new_variant(one, sku_format, currency) for one in variants or ({},)],
    }


def _build_new_variant(variant: Values, sku_format: SkuFormat, currency: str | None) -> dict[str, Any]:
    option_values = variant.get("option_values") or {ONLY_OPTION[0]: ONLY_OPTION[1][0]}
    values = {name: value for name, value in variant.items() if name not in ("option_values", "stock")}
    written = build_variant_input(values, None, sku_format, currency)
    written["optionValues"] = [{"optionName": name, "name": value} for name, value in option_values.items()]
    if "stock" in variant:
        written["inventoryItem"] = {**written.get("inventoryItem", {}), "tracked": True}
        written["inventoryQuantities"] = [
            {"locationId": location, "name": "available", "quantity": units}
            for location, units in variant["stock"].items()
        ]
    return written


def _check_forms(resource: str, values: Values, currency: str | None) -> None:
    for name, value in values.items():
        if (resource, name) not in _KINDS:
            raise ValueError(f"{resource} have no field {name}")
        try:
            normalise(_KINDS[resource, name], value, currency)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def _format_amount(value: Value, currency: str | None) -> str | None:
    amount = normalise(ValueKind.MONEY, value, currency)
    return format(amount, "f") if isinstance(amount, Decimal) else None


def _build_weight(value: Value, present: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a `WeightInput` in the unit that the merchant has chosen for the variant; in grams where there is none."""
    weight = present["inventoryItem"]["measurement"]["weight"] if present else None
    unit = weight["unit"] if weight and weight["unit"] in _UNITS else "GRAMS"
    grams = normalise(ValueKind.WEIGHT, value)
    amount = grams / GRAMS[_UNITS[unit]] if isinstance(grams, Decimal) else 0
    # Six digits are exact to a thousandth of a gram in every unit.
    return {"value": round(float(amount), 6), "unit": unit}
