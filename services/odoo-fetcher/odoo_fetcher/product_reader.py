"""Reads product templates by their ids, with everything that their records show."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from contracts.events import Record
from platform_sdk.errors import AccessDeniedError
from platforms.odoo.calls import Row
from platforms.odoo.database_fields import TEMPLATE, VARIANT, DatabaseFields
from platforms.odoo.field_values import MalformedRecordError, read_reference
from platforms.odoo.products import ImageKey, ProductMapper, ProductParts
from platforms.odoo.reading import Clock, RecordsSession, list_rows
from platforms.odoo.splitting import read_split

log = structlog.get_logger()
LINE = "product.template.attribute.line"
LINE_FIELDS = ("id", "product_tmpl_id", "attribute_id", "value_ids", "sequence")
OPTION_FIELDS = ("id", "attribute_id", "product_attribute_value_id", "price_extra")
IMAGE_FIELDS = ("id", "product_tmpl_id", "sequence")
MAX_BATCH = 500


class ProductReader:
    """Reads templates of a database that has `fields`."""

    def __init__(self, session: RecordsSession, fields: DatabaseFields, now: Clock) -> None:
        self._session = session
        self._fields = fields
        self._now = now

    async def read(self, ids: Sequence[int]) -> list[Record]:
        """Return the records of the templates with these ids, in their order, and a tombstone for each that is gone.

        A template that Odoo cannot give, or whose form is not known, has the reason in its record. The others are read
        all the same.
        """
        read_at = round(self._now() * 1000)
        records: dict[int, Record] = {}
        for begin in range(0, len(ids), MAX_BATCH):
            result = await read_split(ids[begin : begin + MAX_BATCH], self._read_batch)
            records |= {number: record for found in result.found for number, record in found.items()}
            records |= {number: _build_unreadable(number, why, read_at) for number, why in result.refused.items()}
        return [records.get(number) or Record(resource="products", id=str(number), read_at=read_at, sort_key=number)
                for number in ids]  # fmt: skip

    async def _read_batch(self, ids: Sequence[int]) -> dict[int, Record]:
        read_at = round(self._now() * 1000)
        templates = await list_rows(self._session, TEMPLATE, "id", ids, self._fields.template_fields)
        mapper = ProductMapper(await self._read_parts(templates))
        return {row["id"]: _map(mapper, row, read_at) for row in templates}

    async def _read_parts(self, templates: Sequence[Row]) -> ProductParts:
        session, ids = self._session, [row["id"] for row in templates]
        variants = await list_rows(session, VARIANT, "product_tmpl_id", ids, self._fields.variant_fields)
        # Without the archived ones: those are what a template had once, and old variants still refer to.
        lines = await list_rows(session, LINE, "product_tmpl_id", ids, LINE_FIELDS, context=None)
        option_ids = _collect_ids(variants, "product_template_attribute_value_ids")
        options = await list_rows(session, "product.template.attribute.value", "id", option_ids, OPTION_FIELDS)
        parts = ProductParts(variants, lines, options, await self._read_names(templates, lines, options))
        if self._fields.has_extra_images:
            parts = replace(parts, extra_images=await self._read_extra_images(templates))
        return replace(parts, checksums=await self._read_checksums(ids, parts))

    async def _read_names(
        self, templates: Sequence[Row], lines: Sequence[Row], options: Sequence[Row]
    ) -> dict[str, dict[int, str]]:
        """Return the names of tags, attributes and values. Odoo's own text for a value has its attribute in front."""
        attributes = {read_reference(row["attribute_id"]) for row in (*lines, *options)}
        values = {read_reference(row["product_attribute_value_id"]) for row in options}
        wanted: dict[str, Iterable[int | None]] = {
            "product.tag": _collect_ids(templates, "product_tag_ids"),
            "product.attribute": attributes,
            "product.attribute.value": {*values, *_collect_ids(lines, "value_ids")},
        }
        names: dict[str, dict[int, str]] = {}
        for model, ids in wanted.items():
            rows = await list_rows(self._session, model, "id", (one for one in ids if one is not None), ("id", "name"))
            names[model] = {row["id"]: row["name"] for row in rows}
        return names

    async def _read_extra_images(self, templates: Sequence[Row]) -> list[Row]:
        ids = _collect_ids(templates, "product_template_image_ids")
        return await list_rows(self._session, "product.image", "id", ids, IMAGE_FIELDS)

    async def _read_checksums(self, ids: Sequence[int], parts: ProductParts) -> dict[ImageKey, str]:
        """Return the checksums of images; none where the user may not read attachments."""
        wanted = {
            TEMPLATE: (ids, "image_1920"),
            VARIANT: ([row["id"] for row in parts.variants], "image_variant_1920"),
            "product.image": ([row["id"] for row in parts.extra_images or ()], "image_1920"),
        }
        checksums: dict[ImageKey, str] = {}
        try:
            for model, (record_ids, field) in wanted.items():
                conditions = (("res_model", "=", model), ("res_field", "=", field))
                fields = ("id", "res_id", "checksum")
                rows = await list_rows(self._session, "ir.attachment", "res_id", record_ids, fields, *conditions)
                checksums |= {(model, read_reference(row["res_id"]) or 0): row["checksum"] for row in rows}
        except AccessDeniedError as error:
            log.info("no checksums of images", reason=error.reason)
        return {key: checksum for key, checksum in checksums.items() if checksum}


def _map(mapper: ProductMapper, row: Row, read_at: int) -> Record:
    try:
        return mapper.map_template(row, read_at)
    except (MalformedRecordError, KeyError, TypeError, ValueError) as error:
        return _build_unreadable(row["id"], f"its form is not known: {type(error).__name__}", read_at)


def _build_unreadable(number: int, reason: str, read_at: int) -> Record:
    return Record(resource="products", id=str(number), read_at=read_at, unreadable=reason, sort_key=number)


def _collect_ids(rows: Iterable[Row], field: str) -> set[Any]:
    return {number for row in rows for number in row.get(field) or ()}
