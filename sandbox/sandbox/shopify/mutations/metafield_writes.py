"""How metafields of products and variants are checked and written, by whichever mutation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.shopify import metafields
from sandbox.shopify.gids import build_gid
from sandbox.shopify.model import Metafield, Product, Variant
from sandbox.shopify.mutations.identifiers import resolve_namespace
from sandbox.shopify.product_edit import ProductEdit
from sandbox.shopify.shops import Shop

_RESERVED = ("shopify_standard", "protected", "shopify-l10n-fields")
_LENGTHS = {"namespace": (3, 255), "key": (2, 64)}


@dataclass(frozen=True, slots=True)
class MetafieldValue:
    """A metafield to write, checked: its namespace and key, its type, and its value."""

    namespace: str
    key: str
    type: str
    value: str


Problem = tuple[str, str, str | None]
"""What is wrong with a metafield of an input: the field, a message in Shopify's words, and the code."""


def parse_metafield(shop: Shop, owner: Product | Variant | None, fields: Mapping[str, Any]) -> MetafieldValue | Problem:
    """Check a metafield of an input, for a record that may be new.

    The type may be left out where the record has the metafield, or where there is a definition of it.
    """
    kind = "PRODUCTVARIANT" if isinstance(owner, Variant) else "PRODUCT"
    fields = _add_name_of_id(owner, fields)
    namespace, key = resolve_namespace(fields.get("namespace")), fields.get("key") or ""
    definition = metafields.find_definition(shop, kind, namespace, key)
    existing = metafields.find_metafield(owner.metafields, namespace, key) if owner is not None else None
    type_ = definition.type if definition else fields.get("type") or (existing.type if existing else "")
    problem = find_name_problem(namespace, key) or _find_type_problem(type_, fields.get("type"))
    if problem is not None:
        return problem
    value = str(fields.get("value") if fields.get("value") is not None else "")
    message = metafields.find_problem(type_, value)
    if message is not None:
        return "value", message, "INVALID_VALUE"
    if definition is not None and definition.is_unique and kind == "PRODUCT":
        other = metafields.find_product(shop, namespace, key, value)
        if other is not None and other is not owner:
            return "value", "Value must be unique.", "CAPABILITY_VIOLATION"
    return MetafieldValue(namespace, key, type_, value)


def _add_name_of_id(owner: Product | Variant | None, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `fields` with the namespace and key of the metafield of `owner` that their id names, if it names one."""
    gid = fields.get("id")
    named = (
        [m for m in owner.metafields if build_gid("Metafield", m.number) == gid] if owner is not None and gid else []
    )
    return {**fields, "namespace": named[0].namespace, "key": named[0].key} if named else fields


def find_name_problem(namespace: str, key: str) -> Problem | None:
    """Return what is wrong with the namespace or the key of a metafield; None if nothing is."""
    for field, text in (("namespace", namespace), ("key", key)):
        shortest, longest = _LENGTHS[field]
        if len(text) < shortest:
            return field, f"{field.title()} is too short (minimum is {shortest} characters)", "TOO_SHORT"
        if len(text) > longest:
            return field, f"{field.title()} is too long (maximum is {longest} characters)", "TOO_LONG"
    return ("namespace", f"Namespace {namespace} is a reserved namespace", None) if namespace in _RESERVED else None


def _find_type_problem(type_: str, given: str | None) -> Problem | None:
    if not type_:
        return "type", "Type can't be blank", "BLANK"
    if type_.removeprefix("list.") not in metafields.TYPES:
        return "type", f"Type name {type_} is not a valid type.", "INVALID_TYPE"
    if given and given != type_:
        return "type", f"Type must be consistent with the definition's type: '{type_}'.", "INVALID_TYPE"
    return None


def put_metafield(edit: ProductEdit, owner: Product | Variant, value: MetafieldValue) -> Metafield:
    """Set a metafield, or add it. Returns it."""
    variant = owner if isinstance(owner, Variant) else None
    metafield = metafields.find_metafield(owner.metafields, value.namespace, value.key)
    if metafield is None:
        kind = "PRODUCT" if variant is None else "PRODUCTVARIANT"
        number = edit.shop.allocate_number()
        metafield = Metafield(number, value.namespace, value.key, value.type, value.value, edit.at, kind)
        owner.metafields.append(metafield)
        edit.mark_changed(variant)
    elif (metafield.type, metafield.value) != (value.type, value.value):
        metafield.type, metafield.value, metafield.updated_at = value.type, value.value, edit.at
        edit.mark_changed(variant)
    if variant is None:
        numbers = edit.shop.unique_values.get((value.namespace, value.key))
        if numbers is not None:
            numbers[value.value] = edit.product.number
    return metafield


def replace_metafields(edit: ProductEdit, owner: Product | Variant, values: Sequence[MetafieldValue]) -> None:
    """Make `values` the only metafields of a record: those that are not among them are deleted."""
    kept = {(value.namespace, value.key) for value in values}
    remaining = [m for m in owner.metafields if (m.namespace, m.key) in kept]
    if len(remaining) != len(owner.metafields):
        owner.metafields = remaining
        edit.mark_changed(owner if isinstance(owner, Variant) else None)
    for value in values:
        put_metafield(edit, owner, value)
