"""Decides what is written to a record that exists: nothing, the fields that differ, or that it must not be written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import DecimalException
from typing import Any

from contracts.events import WriteRequested
from destination.destination import APPLIED, CONFLICT, REFUSED, UNCHANGED, Outcome, WriteResult
from linking.conditional import ChangedMeanwhileError, is_written, list_unwritten
from linking.fields import list_field_names, list_fields
from linking.records import PRODUCTS, Value
from odoo_writer.references import ReferenceFinder
from odoo_writer.refusals import CURRENCY, GONE, RefusedWriteError
from odoo_writer.targets import Target
from odoo_writer.translation import (
    AMOUNTS,
    PRICE_FIELD,
    PRODUCT_TYPE,
    PUBLISHED,
    TAGS,
    build_list_price,
    build_product_values,
    build_variant_values,
    explain_missing_place,
    settle_values,
)
from odoo_writer.writable_fields import WritableFields
from platforms.odoo.calls import Row
from platforms.odoo.database_fields import TEMPLATE, VARIANT

UPDATE, DRAFT, ARCHIVE, CREATE = "update", "draft", "archive", "create"
_MAX_DIGITS = 9
"""An id of Odoo has 32 bits: a longer number is none."""


@dataclass(frozen=True)
class Update:
    """A write that has something to do. `unwritten` are the shared values that differ, `values` fields of Odoo.

    With `product_type` and `tags` the ids are found when it is carried out, because some must be made.
    """

    request: WriteRequested
    target: Target
    unwritten: Mapping[str, Value]
    values: Mapping[str, Any]


def parse_id(text: str | None) -> int | None:
    """Return the id of a record; None for a text that is no id of Odoo."""
    is_id = text is not None and text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    return int(text) if text is not None and is_id else None


def find_template_id(request: WriteRequested) -> int | None:
    """Return the id of the template that a request is about; None for a text that is no id of Odoo."""
    return parse_id(request.record if request.resource == PRODUCTS else request.product)


def find_variant_id(request: WriteRequested) -> str | None:
    """Return the id of the variant that a request is about; None for a product."""
    return None if request.resource == PRODUCTS else request.record


def decide_update(request: WriteRequested, target: Target | None, database: WritableFields) -> Update | WriteResult:
    """Return what a request has still to do, or its result where that is nothing.

    Raises RefusedWriteError for what Odoo cannot hold, and for a record that is gone.
    """
    present = target.list_values(find_variant_id(request)) if target else None
    if target is None or present is None:
        raise RefusedWriteError(GONE)
    if request.operation in (DRAFT, ARCHIVE):
        return _decide_removal(request, target, database)
    if request.operation != UPDATE:
        raise RefusedWriteError("nothing is ever deleted in Odoo")
    try:
        return _decide_fields(request, target, database, present)
    except ChangedMeanwhileError as error:
        return build_result(request, target, CONFLICT, message=str(error))
    except (ValueError, TypeError, DecimalException) as error:
        raise RefusedWriteError(f"a value has another form than its field: {error}") from None


def build_result(
    request: WriteRequested,
    target: Target | None,
    outcome: Outcome,
    *,
    code: str | None = None,
    message: str | None = None,
) -> WriteResult:
    """Return a result with the values of the requested fields as they were read; without `target`, with none."""
    present = (target.list_values(find_variant_id(request)) if target else None) or {}
    return WriteResult(
        request.write_id,
        outcome,
        record=request.record,
        values={name: present[name] for name in request.fields if name in present},
        version=target.version if target else None,
        read_at=target.read_at if target else 0,
        reason_code=code,
        message=message,
    )


def build_refused(request: WriteRequested, target: Target | None, refusal: RefusedWriteError) -> WriteResult:
    """Return the result of a request that is refused."""
    return build_result(request, target, REFUSED, code=refusal.code, message=refusal.reason)


def build_applied(request: WriteRequested, target: Target | None, database: WritableFields) -> WriteResult:
    """Return the result of a request that was written, from the record as it was read after that.

    A value that is not the written one, nor another form of it, is somebody's edit in between.
    """
    if target is None:
        return build_refused(request, None, RefusedWriteError(GONE))
    result = build_result(request, target, APPLIED)
    if request.operation != UPDATE:
        return result
    wanted = settle_values(request.resource, request.fields, database, target.weight_unit)
    written = {
        name: wanted[name]
        for name in result.values
        if not is_written(request.resource, result.values, {name: wanted[name]}, request.currency)
    }
    return replace(result, written=written)


async def find_references(update: Update, references: ReferenceFinder) -> dict[str, Any]:
    """Return all fields of Odoo that an update writes. Categories and tags that are missing are made."""
    values = dict(update.values)
    if update.request.resource == PRODUCTS and PRODUCT_TYPE in update.unwritten:
        values["categ_id"] = await references.find_category(update.unwritten[PRODUCT_TYPE])
    if update.request.resource == PRODUCTS and TAGS in update.unwritten:
        present = update.target.row.get("product_tag_ids") or ()
        values["product_tag_ids"] = [[6, 0, await references.find_tags(update.unwritten[TAGS], present)]]
    return values


def get_place(update: Update) -> tuple[str, int]:
    """Return the model and the id of the record whose fields are written."""
    variant = find_variant_id(update.request)
    return (TEMPLATE, update.target.row["id"]) if variant is None else (VARIANT, int(variant))


def _decide_fields(
    request: WriteRequested, target: Target, database: WritableFields, present: dict[str, Value]
) -> Update | WriteResult:
    resource, currency = request.resource, request.currency
    if unknown := set(request.fields) - set(list_field_names(list_fields(resource))):
        raise ValueError(f"{resource} have no field {min(unknown)}")
    wanted = settle_values(resource, request.fields, database, target.weight_unit)
    for name, value in request.fields.items():
        why = explain_missing_place(name, database)
        if why and is_written(resource, present, {name: value}, currency):
            del wanted[name]
        elif why:
            raise RefusedWriteError(why)
    unwritten = list_unwritten(resource, {**dict.fromkeys(wanted), **present}, request.expected, wanted, currency)
    if not unwritten:
        return build_result(request, target, UNCHANGED)
    known = target.record.currency
    if AMOUNTS & set(unwritten) and currency and known and currency != known:
        raise RefusedWriteError(f"the amounts are in {currency}, and those of the database in {known}", CURRENCY)
    if resource == PRODUCTS:
        if unwritten.get(PUBLISHED) and not target.row["active"]:
            raise RefusedWriteError("the product is archived in Odoo, and is published nowhere")
        return Update(request, target, unwritten, build_product_values(unwritten, database))
    values = build_variant_values(unwritten, database, target.weight_unit)
    if PRICE_FIELD in unwritten:
        values |= _build_price(request.record or "", unwritten[PRICE_FIELD], target, database)
    return Update(request, target, unwritten, values)


def _build_price(variant: str, price: Value, target: Target, database: WritableFields) -> dict[str, float]:
    if others := target.count_others(variant):
        raise RefusedWriteError(
            f"all variants of a product have one price in Odoo, and this product has {others} besides this one"
        )
    # A field of the template, which Odoo writes through its variant too, in the same transaction.
    return {"list_price": build_list_price(price, target.compute_extra(variant), database)}


def _decide_removal(request: WriteRequested, target: Target, database: WritableFields) -> Update | WriteResult:
    variant = find_variant_id(request)
    row: Row = target.row if variant is None else target.variants[variant]
    if request.operation == ARCHIVE:
        name = "active"
    elif variant is None:
        name = "is_published" if database.has_publishing else "sale_ok"
    else:
        raise RefusedWriteError("a variant is on sale in Odoo as long as its product is")
    if not row.get(name):
        return build_result(request, target, UNCHANGED)
    return Update(request, target, {}, {name: False})
