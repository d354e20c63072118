"""Makes products in Odoo, each exactly once.

A request may be cut off anywhere. At the next attempt the product is found by its external id, and what it still lacks
is added: variants, and fields of variants that are empty. What it has is left as it is, because somebody may have
edited it meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import DecimalException
from typing import Any

from contracts.events import WriteRequested
from destination.destination import APPLIED, UNCHANGED, WriteResult
from linking.conditional import is_written
from linking.records import PRODUCTS, VARIANTS
from odoo_writer.attributes import find_lines
from odoo_writer.loading import MODULE, find_loaded, load_product
from odoo_writer.new_products import Combination, NewProduct, NewVariant, parse_new_product
from odoo_writer.references import ReferenceFinder
from odoo_writer.refusals import ACCESS_DENIED, CURRENCY, GONE, RefusedWriteError
from odoo_writer.sessions import WritingSession, create_records, write_record
from odoo_writer.targets import Target, TargetReader
from odoo_writer.translation import (
    DESCRIPTION,
    PRICE_FIELD,
    PRODUCT_TYPE,
    PUBLISHED,
    SKU,
    TAGS,
    TITLE,
    build_product_values,
    build_variant_values,
    explain_missing_place,
    round_to,
)
from odoo_writer.variants import TEMPLATE_VALUE, VALUE_FIELDS, VariantIndex
from odoo_writer.writable_fields import PRICE, WritableFields
from platform_sdk.errors import ConnectionEndedError, PermanentError
from platforms.odoo.calls import Row
from platforms.odoo.database_fields import TEMPLATE, VARIANT
from platforms.odoo.errors import NotOdooError
from platforms.odoo.reading import list_rows

_NAMES = frozenset({TITLE, DESCRIPTION, PUBLISHED})
_COMPLETED = ("sku", "barcode", "cost", "weight")
"""The fields of a variant that Odoo does not make with its product."""


@dataclass
class _Creation:
    """A product that is being made: whether anything was written, and what people should know of it."""

    request: WriteRequested
    product: NewProduct
    template: int
    has_written: bool
    notes: list[str] = field(default_factory=list)


class ProductCreator:
    """Makes the products of a database."""

    def __init__(
        self, session: WritingSession, database: WritableFields, targets: TargetReader, references: ReferenceFinder
    ) -> None:
        self._session = session
        self._database = database
        self._targets = targets
        self._references = references

    async def create(self, request: WriteRequested) -> WriteResult:
        """Make the product of a request, or add what it lacks. Raises RefusedWriteError before anything is made."""
        if request.resource != PRODUCTS or not request.external_id:
            raise RefusedWriteError("only products are made, each with its external id")
        product = parse_new_product(request)
        template = await self._find(request.external_id)
        try:
            is_new = template is None
            if template is None:
                template = await self._make(request, product)
            creation = _Creation(request, product, template, is_new, self._list_lost(request))
            return await self._complete(creation)
        except (ValueError, TypeError, DecimalException) as error:
            raise RefusedWriteError(f"a value has another form than its field: {error}") from None

    async def _find(self, external_id: str) -> int | None:
        known = await find_loaded(self._session, external_id)
        if known is None:
            return None
        model, number = known
        if model != TEMPLATE:
            raise RefusedWriteError(f"the external id {MODULE}.{external_id} is that of another record ({model})")
        if number is None:
            raise RefusedWriteError("the product was made before, and this user may not see it", ACCESS_DENIED)
        return number

    async def _make(self, request: WriteRequested, product: NewProduct) -> int:
        await self._check_barcodes(product)
        await self._check_currency(request)
        # All values are translated once before anything is made, so that one of another form leaves nothing behind.
        for variant in product.variants:
            build_variant_values(variant.values, self._database, "kg")
        values = build_product_values(
            {TITLE: None, **{name: value for name, value in product.values.items() if name in _NAMES}}, self._database
        )
        if not self._database.has_publishing:
            values.pop("is_published", None)
        types, tags = product.values.get(PRODUCT_TYPE), product.values.get(TAGS)
        await self._references.load([types] if types else [], [tags] if tags else [])
        if types:
            values["categ_id/.id"] = str(await self._references.find_category(types))
        if tags and self._database.fields.has_tags:
            values["product_tag_ids/.id"] = ",".join(map(str, await self._references.find_tags(tags)))
        values["list_price"] = str(round_to(product.list_price, self._database.decimals.get(PRICE)))
        lines = await find_lines(self._session, product.options, is_sparse=product.is_sparse)
        cells = {name: _build_cell(value) for name, value in values.items()}
        return await load_product(self._session, request.external_id or "", cells, lines)

    async def _check_barcodes(self, product: NewProduct) -> None:
        found = await self._list_barcodes(product.list_barcodes())
        if found:
            raise RefusedWriteError(f"another product of Odoo has the barcode {found[0]['barcode']}")

    async def _list_barcodes(self, barcodes: Sequence[str]) -> list[Row]:
        if not barcodes:
            return []
        return await self._session.search_read(
            VARIANT, [("barcode", "in", list(barcodes))], ["barcode"], limit=1, context={"active_test": False}
        )

    async def _check_currency(self, request: WriteRequested) -> None:
        """Refuse amounts in another currency than that of the products."""
        has_amounts = any(one.get(PRICE_FIELD) or one.get("cost") for one in request.variants)
        if not request.currency or not has_amounts:
            return
        rows = await self._session.search_read(TEMPLATE, [], ["currency_id"], limit=1)
        known = rows[0]["currency_id"][1] if rows and rows[0].get("currency_id") else request.currency
        if known != request.currency:
            raise RefusedWriteError(
                f"the amounts are in {request.currency}, and those of the database in {known}", CURRENCY
            )

    def _list_lost(self, request: WriteRequested) -> list[str]:
        """Return why values of the product are not in Odoo."""
        lost = [
            why
            for values in (request.fields, *request.variants)
            for name, value in values.items()
            if value and name != "options" and (why := explain_missing_place(name, self._database))
        ]
        return list(dict.fromkeys(lost))

    async def _complete(self, creation: _Creation) -> WriteResult:
        """Make the variants that Odoo has not made itself, and write the fields that are empty."""
        target = await self._read(creation.template)
        index = await self._read_index(target)
        if await self._make_variants(creation, index, target):
            target = await self._read(creation.template)
            index = await self._read_index(target)
        found = {
            variant.combination: number
            for variant in creation.product.variants
            if (number := index.find(variant.combination)) is not None
        }
        if await self._fill_variants(creation, found, target):
            target = await self._read(creation.template)
        creation.notes += _list_notes(creation, found, target)
        return _build_result(creation, found, target)

    async def _read(self, template: int) -> Target:
        target = (await self._targets.read([template], with_options=True)).found.get(template)
        if target is None:
            raise RefusedWriteError(GONE)
        return target

    async def _read_index(self, target: Target) -> VariantIndex:
        template = target.row["id"]
        values = await list_rows(self._session, TEMPLATE_VALUE, "product_tmpl_id", [template], VALUE_FIELDS)
        return VariantIndex(values, target.variants)

    async def _make_variants(self, creation: _Creation, index: VariantIndex, target: Target) -> bool:
        missing = [one for one in creation.product.variants if index.find(one.combination) is None]
        combinations = [(one, index.list_values(one.combination)) for one in missing]
        values = [
            {
                "product_tmpl_id": creation.template,
                "product_template_attribute_value_ids": [[6, 0, numbers]],
                **build_variant_values(_select_filled(one), self._database, target.weight_unit),
            }
            for one, numbers in combinations
            if numbers
        ]
        if values:
            await create_records(self._session, VARIANT, values)
            creation.has_written = True
        return bool(values)

    async def _fill_variants(self, creation: _Creation, found: Mapping[Combination, int], target: Target) -> bool:
        """Write the fields of variants that are empty. What Odoo refuses of one stops no other."""
        has_written = False
        for variant in creation.product.variants:
            number = found.get(variant.combination)
            present = target.list_values(str(number)) or {}
            empty = {
                name: value
                for name, value in _select_filled(variant).items()
                if is_written(VARIANTS, present, {name: None})
            }
            if number is None or not empty:
                continue
            try:
                values = build_variant_values(empty, self._database, target.weight_unit)
                await write_record(self._session, VARIANT, number, values)
            except (ConnectionEndedError, NotOdooError):
                raise
            except PermanentError as error:
                creation.notes.append(f"{variant.label}: {error.reason}")
            else:
                has_written = creation.has_written = True
        return has_written


def _select_filled(variant: NewVariant) -> dict[str, Any]:
    """Return the fields of a variant that are written, without empty ones."""
    return {
        name: variant.values[name]
        for name in _COMPLETED
        if name in variant.values and not is_written(VARIANTS, {name: variant.values[name]}, {name: None})
    }


def _list_notes(creation: _Creation, found: Mapping[Combination, int], target: Target) -> list[str]:
    """Return what a person should know: which variants are missing, and whose price is another one than wanted."""
    missing = [one.label for one in creation.product.variants if one.combination not in found]
    differing = []
    for variant in creation.product.variants:
        present = target.list_values(str(found.get(variant.combination)))
        wanted = {PRICE_FIELD: variant.values.get(PRICE_FIELD)}
        if present and wanted[PRICE_FIELD] and not is_written(VARIANTS, present, wanted, creation.request.currency):
            differing.append(variant.label)
    notes = [f"not among the variants in Odoo: {', '.join(missing)}"] if missing else []
    if differing:
        notes.append(
            f"all variants of a product have one price in Odoo; another one than wanted: {', '.join(differing)}"
        )
    return notes


def _build_result(creation: _Creation, found: Mapping[Combination, int], target: Target) -> WriteResult:
    present = target.list_values(None) or {}
    return WriteResult(
        creation.request.write_id,
        APPLIED if creation.has_written else UNCHANGED,
        record=str(creation.template),
        variants={
            str(one.values[SKU]): str(found[one.combination])
            for one in creation.product.variants
            if one.values.get(SKU) and one.combination in found
        },
        values={name: present[name] for name in creation.request.fields if name in present},
        version=target.version,
        read_at=target.read_at,
        message="; ".join(creation.notes) or None,
    )


def _build_cell(value: Any) -> str:
    """Return a value as a cell of `load`, which takes booleans as words."""
    return "" if value is False else str(value)
