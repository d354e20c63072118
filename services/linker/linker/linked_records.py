"""The stored form of what a link knows of a record: JSON of the form that both sides share."""

from collections.abc import Iterator, Mapping
from typing import Any

from linking.fields import list_fields
from linking.matching import ProductKeys, VariantKeys, build_product_keys
from linking.planning import note_seen
from linking.records import VARIANTS, LinkedRecord, MatchKeys

_OWN = ""
"""The key of a product's own times in what is stored of when its values were first seen; variants have theirs by id."""
SeenAt = Mapping[str, Mapping[str, int]]
"""When each value was first seen (ms): by field, of the product itself and of each variant by its id."""


def encode_record(record: LinkedRecord) -> dict[str, Any]:
    """Return a record as JSON."""
    return {
        "resource": record.resource,
        "id": record.id,
        "values": dict(record.values),
        "sku": record.keys.sku,
        "barcode": record.keys.barcode,
        "parent": record.parent,
        "children": [encode_record(child) for child in record.children],
        "is_archived": record.is_archived,
        "is_in_domain": record.is_in_domain,
        "lacking": list(record.lacking),
        "currency": record.currency,
        "bin": record.bin,
        "option_values": dict(record.option_values),
        "is_stocked": record.is_stocked,
    }


def decode_record(content: Mapping[str, Any]) -> LinkedRecord:
    """Return the record that `encode_record` wrote."""
    return LinkedRecord(
        resource=content["resource"],
        id=content["id"],
        values=content["values"],
        keys=MatchKeys(content["sku"], content["barcode"]),
        parent=content["parent"],
        children=tuple(decode_record(child) for child in content["children"]),
        is_archived=content["is_archived"],
        is_in_domain=content["is_in_domain"],
        # Records that were stored by an older version do not tell.
        lacking=tuple(content.get("lacking", ())),
        currency=content["currency"],
        bin=content["bin"],
        option_values=content["option_values"],
        is_stocked=content["is_stocked"],
    )


def encode_keys(record: LinkedRecord) -> list[list[str | bool | None]]:
    """Return id, SKU, barcode, and whether it may be listed, of each variant: what matching must know of a record."""
    return [[one.id, one.keys.sku, one.keys.barcode, one.is_in_domain] for one in build_product_keys(record).variants]


def decode_keys(record_id: str, variants: list[list[Any]], *, is_in_domain: bool) -> ProductKeys:
    """Return a product as a candidate for matching, from what `encode_keys` wrote."""
    keys = tuple(VariantKeys(variant, MatchKeys(sku, barcode), listed) for variant, sku, barcode, listed in variants)
    return ProductKeys(record_id, keys, is_in_domain)


def list_keys(record: LinkedRecord) -> list[str]:
    """Return the keys by which a product and others find each other, each once."""
    return sorted({key for variant in record.children for key in _list_keys(variant.keys)})


def _list_keys(keys: MatchKeys) -> Iterator[str]:
    if keys.sku:
        yield f"sku:{keys.sku}"
    if keys.barcode:
        yield f"barcode:{keys.barcode}"


def note_record_seen(before: LinkedRecord | None, seen_at: SeenAt, after: LinkedRecord, at: int) -> dict[str, Any]:
    """Return when the values of `after` were first seen, of the product and its variants.

    `before` is what was known of the record, with `seen_at`; `at` (ms) is when the values that differ were seen.
    """
    known = {child.id: child for child in before.children} if before else {}
    seen = {
        _OWN: note_seen(
            list_fields(after.resource), before.values if before else {}, seen_at.get(_OWN, {}), after.values, at
        )
    }
    for child in after.children:
        old = known.get(child.id)
        seen[child.id] = note_seen(
            list_fields(VARIANTS), old.values if old else {}, seen_at.get(child.id, {}), child.values, at
        )
    return seen


def get_seen_at(seen_at: SeenAt, variant: str | None = None) -> Mapping[str, int]:
    """Return when the values of a product, or of one of its variants, were first seen."""
    return seen_at.get(variant or _OWN, {})
