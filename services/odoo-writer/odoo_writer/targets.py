"""Reads the products that are written to, in the form in which links see them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from linking.records import PRODUCTS, ExtractOptions, LinkedRecord, Value
from odoo_writer.writable_fields import WritableFields
from platform_sdk.errors import AccessDeniedError
from platforms.odoo.calls import Row
from platforms.odoo.database_fields import TEMPLATE, VARIANT
from platforms.odoo.field_values import read_reference
from platforms.odoo.linking import extract_record
from platforms.odoo.products import ProductMapper, ProductParts
from platforms.odoo.reading import Clock, RecordsSession, list_rows
from platforms.odoo.splitting import read_split

LINE_FIELDS = ("id", "product_tmpl_id", "attribute_id", "value_ids", "sequence")
_TAG, _LINE = "product.tag", "product.template.attribute.line"
_NAMES = ("id", "name")


@dataclass(frozen=True)
class Target:
    """A template with all its variants, archived ones too.

    `version` is the largest time of change among them, and `read_at` when they were read (ms since the Unix epoch).
    """

    row: Row
    variants: Mapping[str, Row]
    record: LinkedRecord
    weight_unit: str
    version: datetime | None
    read_at: int

    def list_values(self, variant: str | None) -> dict[str, Value] | None:
        """Return the shared values of the product, or of one of its variants; None if it has no such variant.

        A product that is archived is published nowhere.
        """
        if variant is None:
            values = dict(self.record.values)
            return values if self.row["active"] else {"published": False, **values}
        return next((dict(one.values) for one in self.record.children if one.id == variant), None)

    def count_others(self, variant: str) -> int:
        """Return how many variants there are besides this one, without archived ones."""
        return sum(bool(row["active"]) for number, row in self.variants.items() if number != variant)

    def compute_extra(self, variant: str) -> Decimal:
        """Return what a variant costs more than the template, for its options."""
        price, extra = self.row["list_price"], self.variants[variant]["lst_price"]
        return Decimal(str(extra or 0)) - Decimal(str(price or 0))


@dataclass(frozen=True)
class Targets:
    """The targets that were found, by the id of the template, and why others cannot be read."""

    found: Mapping[int, Target] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)


class TargetReader:
    """Reads templates of a database. `now` returns seconds since the Unix epoch."""

    def __init__(self, session: RecordsSession, database: WritableFields, now: Clock) -> None:
        self._session = session
        self._database = database
        self._now = now

    async def read(self, ids: Sequence[int], *, with_options: bool = False) -> Targets:
        """Return templates by their ids; those that are gone are left out.

        The values of the options are read only on demand: without, a product seems to have none. Raises
        AccessDeniedError where the user may not read products.
        """

        denied: list[AccessDeniedError] = []

        async def read_part(part: Sequence[int]) -> dict[int, Target]:
            try:
                return await self._read(part, with_options=with_options)
            except AccessDeniedError as error:
                denied.append(error)
                raise

        result = await read_split(sorted(set(ids)), read_part)
        # A search leaves out records that the user may not see. So it is a model that is denied, and no record's fault.
        if denied:
            raise denied[0]
        return Targets({number: one for part in result.found for number, one in part.items()}, result.refused)

    async def _read(self, ids: Sequence[int], *, with_options: bool) -> dict[int, Target]:
        session, fields, read_at = self._session, self._database.fields, round(self._now() * 1000)
        templates = await list_rows(session, TEMPLATE, "id", ids, fields.template_fields)
        found = [row["id"] for row in templates]
        variants = await list_rows(session, VARIANT, "product_tmpl_id", found, fields.variant_fields)
        lines = (
            await list_rows(session, _LINE, "product_tmpl_id", found, LINE_FIELDS, context=None) if with_options else []
        )
        wanted: dict[str, set[Any]] = {
            _TAG: _collect(templates, "product_tag_ids"),
            "product.attribute": {read_reference(row["attribute_id"]) for row in lines},
            "product.attribute.value": _collect(lines, "value_ids"),
        }
        names = {}
        for model, numbers in wanted.items():
            rows = await list_rows(session, model, "id", (one for one in numbers if one is not None), _NAMES)
            names[model] = {row["id"]: row["name"] for row in rows}
        mapper = ProductMapper(ProductParts(variants, lines, names=names))
        return {row["id"]: _build_target(mapper, row, variants, read_at) for row in templates}


def _build_target(mapper: ProductMapper, row: Row, variants: Iterable[Row], read_at: int) -> Target:
    record = mapper.map_template(row, read_at)
    body: Mapping[str, Any] = record.body or {}
    linked = extract_record(PRODUCTS, record.id, body, ExtractOptions())
    if linked is None:
        raise ValueError("links use products")
    own = {str(one["id"]): one for one in variants if read_reference(one["product_tmpl_id"]) == row["id"]}
    return Target(row, own, linked, body["weight_unit"], record.updated_at, read_at)


def _collect(rows: Iterable[Row], name: str) -> set[int]:
    return {number for row in rows for number in row.get(name) or ()}
