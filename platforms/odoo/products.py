"""Maps a product template, with its variants, to the record of the snapshot."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.events import Record
from platforms.odoo.calls import Row
from platforms.odoo.field_values import (
    list_texts,
    parse_time,
    read_name,
    read_named_reference,
    read_reference,
    read_value,
)

POUND, KILOGRAM = "lb", "kg"
_PLAIN_FIELDS = ("description_sale", "default_code", "barcode", "list_price", "weight")
_OPTIONAL_FIELDS = ("website_description", "is_published", "is_ready_for_sale")
ImageKey = tuple[str, int]
"""The model and the id of the record that an image belongs to."""


@dataclass(frozen=True)
class ProductParts:
    """Everything that the records of some templates are made of, as Odoo gives it.

    `names` has the names of tags, attributes and values, by model and id. `checksums` are the SHA-1 of images.
    `extra_images` is None where the database has none.
    """

    variants: Sequence[Row] = ()
    attribute_lines: Sequence[Row] = ()
    options: Sequence[Row] = ()
    names: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    checksums: Mapping[ImageKey, str] = field(default_factory=dict)
    extra_images: Sequence[Row] | None = None


class ProductMapper:
    """Maps templates whose parts were read together."""

    def __init__(self, parts: ProductParts) -> None:
        self._parts = parts
        self._variants = _group_by_template(parts.variants)
        self._lines = _group_by_template(parts.attribute_lines)
        self._images = _group_by_template(parts.extra_images or ())
        self._options = {row["id"]: row for row in parts.options}

    def map_template(self, row: Row, read_at: int) -> Record:
        """Return the record of a template. Raises MalformedRecordError, KeyError and TypeError for another form."""
        variants = sorted(self._variants[row["id"]], key=lambda variant: int(variant["id"]))
        written = [parse_time(one.get("write_date")) for one in (row, *variants)]
        name = str(read_value(row.get("name")) or "")
        return Record(
            resource="products",
            id=str(row["id"]),
            read_at=read_at,
            updated_at=max((time for time in written if time is not None), default=None),
            body=self._build_body(row, variants),
            sort_key=row["id"],
            lookup_fields={"name": name},
            lookup_values={
                "default_code": list_texts(row.get("default_code"), *(one.get("default_code") for one in variants)),
                "barcode": list_texts(row.get("barcode"), *(one.get("barcode") for one in variants)),
            },
        )

    def _build_body(self, row: Row, variants: Sequence[Row]) -> dict[str, Any]:
        kind = row.get("detailed_type", row.get("type"))
        body: dict[str, Any] = {
            "id": row["id"],
            "name": read_value(row["name"]),
            "active": bool(row["active"]),
            "type": read_value(kind),
            "is_storable": bool(row.get("is_storable", kind == "product")),
            "sale_ok": bool(row.get("sale_ok")),
            **{name: read_value(row.get(name)) for name in _PLAIN_FIELDS},
            "weight_unit": POUND if read_value(row.get("weight_uom_name")) == POUND else KILOGRAM,
            "currency": read_name(row.get("currency_id")),
            "category": read_named_reference(row.get("categ_id")),
            "tags": self._map_names("product.tag", row.get("product_tag_ids") or ()),
            "taxes": sorted(row.get("taxes_id") or ()),
            "attributes": [self._map_line(line) for line in self._sort_lines(row["id"])],
            "variants": [self._map_variant(variant) for variant in variants],
            "image_checksum": self._parts.checksums.get(("product.template", row["id"])),
            "write_date": read_value(row.get("write_date")),
            "create_date": read_value(row.get("create_date")),
            "x_fields": {},
        }
        body |= {name: row[name] for name in _OPTIONAL_FIELDS if name in row}
        if "website_description" in body:
            body["website_description"] = read_value(body["website_description"])
        if self._parts.extra_images is not None:
            body["extra_images"] = [self._map_image(image) for image in self._sort_images(row["id"])]
        return body

    def _map_variant(self, row: Row) -> dict[str, Any]:
        return {
            "id": row["id"],
            "active": bool(row["active"]),
            "default_code": read_value(row.get("default_code")),
            "barcode": read_value(row.get("barcode")),
            "price": read_value(row.get("lst_price")),
            "cost": read_value(row.get("standard_price")),
            "weight": read_value(row.get("weight")),
            "options": [
                self._map_option(self._options[number])
                for number in row.get("product_template_attribute_value_ids") or ()
                if number in self._options
            ],
            "write_date": read_value(row.get("write_date")),
            "image_checksum": self._parts.checksums.get(("product.product", row["id"])),
        }

    def _map_option(self, row: Row) -> dict[str, Any]:
        attribute = read_reference(row["attribute_id"])
        value = read_reference(row["product_attribute_value_id"])
        return {
            "attribute": self._find_name("product.attribute", attribute),
            "value": self._find_name("product.attribute.value", value),
            "value_id": row["id"],
            "price_extra": read_value(row.get("price_extra")),
        }

    def _map_line(self, row: Row) -> dict[str, Any]:
        attribute = read_reference(row["attribute_id"])
        return {
            "id": row["id"],
            "attribute": {"id": attribute, "name": self._find_name("product.attribute", attribute)},
            "values": self._map_names("product.attribute.value", row.get("value_ids") or ()),
        }

    def _map_names(self, model: str, ids: Iterable[int]) -> list[dict[str, Any]]:
        return [{"id": number, "name": self._find_name(model, number)} for number in sorted(ids)]

    def _map_image(self, row: Row) -> dict[str, Any]:
        return {
            "id": row["id"],
            "checksum": self._parts.checksums.get(("product.image", row["id"])),
            "sequence": read_value(row.get("sequence")),
        }

    def _find_name(self, model: str, number: int | None) -> str | None:
        return None if number is None else self._parts.names.get(model, {}).get(number)

    def _sort_lines(self, template: int) -> list[Row]:
        return sorted(self._lines[template], key=_get_place)

    def _sort_images(self, template: int) -> list[Row]:
        return sorted(self._images[template], key=_get_place)


def _get_place(row: Row) -> tuple[int, int]:
    return (row.get("sequence") or 0, row["id"])


def _group_by_template(rows: Iterable[Row]) -> defaultdict[int, list[Row]]:
    grouped: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        template = read_reference(row["product_tmpl_id"])
        if template is not None:
            grouped[template].append(row)
    return grouped
