"""The fields of a product that are one value each, or tags: their checks, and how they are written."""

from collections.abc import Mapping
from typing import Any

from sandbox import sample_texts
from sandbox.shopify.mutations.user_errors import MAXIMUM_LENGTH
from sandbox.shopify.product_edit import ProductEdit
from sandbox.shopify.product_handles import assign_handle, find_product_by_handle, normalise_handle
from sandbox.shopify.shops import Shop

_LABELS = {
    "title": ("Title",),
    "handle": ("Handle",),
    "vendor": ("Vendor",),
    "productType": ("Product type", "Custom product type"),
}
"""The names of the texts with a limited length in messages. Shopify counts the type of a product twice."""
_ATTRIBUTES = {"title": "title", "vendor": "vendor", "productType": "product_type", "status": "status"}


def find_length_problems(fields: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is too long: for each text the field, the name that messages have for it, and the problem."""
    problem = f"is too long (maximum is {MAXIMUM_LENGTH} characters)"
    return [
        (name if label == _LABELS[name][0] else "customProductType", label, problem)
        for name, labels in _LABELS.items()
        if len(fields.get(name) or "") > MAXIMUM_LENGTH
        for label in labels
    ]


def find_handle_problem(shop: Shop, handle: str | None, own_number: int | None) -> str | None:
    """Return why the product with `own_number` cannot have this handle; None if it can."""
    other = find_product_by_handle(shop, normalise_handle(handle)) if handle else None
    if other is None or other.number == own_number:
        return None
    return f"Handle '{handle}' already in use. Please provide a new handle."


def normalise_tags(tags: list[str]) -> list[str]:
    """Return tags as Shopify keeps them: trimmed, each once whatever its case, and sorted."""
    by_name: dict[str, str] = {}
    for tag in tags:
        for part in tag.split(","):
            if part.strip():
                by_name.setdefault(part.strip().lower(), part.strip())
    return sorted(by_name.values())


def has_valid_tags(tags: list[str]) -> bool:
    """Return whether no tag is longer than Shopify allows."""
    return all(len(part.strip()) <= MAXIMUM_LENGTH for tag in tags for part in tag.split(","))


def write_fields(edit: ProductEdit, fields: Mapping[str, Any]) -> None:
    """Set those of the product's fields that are in `fields`, which were checked."""
    for name, attribute in _ATTRIBUTES.items():
        if fields.get(name) is not None:
            edit.set_field(attribute, fields[name])
    if fields.get("tags") is not None:
        edit.set_field("tags", normalise_tags(fields["tags"]))
    if fields.get("handle"):
        handle = normalise_handle(fields["handle"])
        edit.set_field("handle", handle)
        assign_handle(edit.shop, edit.product, handle)
    if fields.get("descriptionHtml") is not None:
        _write_description(edit, fields["descriptionHtml"])


def _write_description(edit: ProductEdit, html: str) -> None:
    product = edit.product
    if html != (product.html if product.html is not None else sample_texts.render_html(product.text)):
        edit.set_field("text", sample_texts.strip_html(html))
        edit.set_field("html", html)
