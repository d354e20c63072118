"""Writes values to existing products and variants: only what differs, and only over the values that were expected."""

from collections.abc import Mapping
from typing import Any

from contracts.events import WriteRequested
from destination.destination import UNCHANGED, WriteResult
from linking.conditional import ChangedMeanwhileError, list_unwritten
from linking.records import VARIANTS, Value
from odoo_writer.named_records import NamedRecords
from odoo_writer.results import build_conflict, build_read, build_refused
from odoo_writer.targets import WriteTarget
from odoo_writer.values import PRODUCT_TYPE, TAGS, UnwritableError, build_template_values, build_variant_values
from platforms.odoo.database_fields import TEMPLATE, VARIANT
from platforms.odoo.session import OdooSession

SHARED_PRICE = "Odoo's variants share one price: give those of the shop the same one, or leave prices out of the link"
CURRENCY = "currency"
_AMOUNTS = frozenset({"price", "cost", "compare_at_price"})


def plan_update(request: WriteRequested, target: WriteTarget) -> dict[str, Value] | WriteResult:
    """Return the values that are left to be written; or what came of the request, when there is nothing to write."""
    currency = target.product.record.currency
    if _AMOUNTS & request.fields.keys() and request.currency not in (None, currency):
        message = f"the amounts are in {request.currency}, and the database's are in {currency}"
        return build_refused(request, message, CURRENCY)
    unknown = sorted(request.fields.keys() - target.record.values.keys())
    if unknown:
        return build_refused(request, f"this database has no field for {', '.join(unknown)}")
    try:
        unwritten = list_unwritten(
            request.resource, target.record.values, request.expected, request.fields, request.currency
        )
    except ChangedMeanwhileError as error:
        return build_conflict(request, target, str(error))
    if not unwritten:
        return build_read(request, UNCHANGED, target)
    if "price" in unwritten and len(target.product.record.children) > 1:
        return build_refused(request, SHARED_PRICE)
    try:
        _build_own_values(request, target, unwritten)
    except UnwritableError as error:
        return build_refused(request, str(error))
    return unwritten


async def send_update(
    session: OdooSession,
    named: NamedRecords,
    request: WriteRequested,
    target: WriteTarget,
    unwritten: Mapping[str, Value],
) -> None:
    """Write these values. Raises the exceptions of `OdooSession.write`."""
    values = _build_own_values(request, target, unwritten)
    template = int(target.product.record.id)
    if PRODUCT_TYPE in unwritten:
        values["categ_id"] = await named.find_category(unwritten[PRODUCT_TYPE])
    if TAGS in unwritten:
        values["product_tag_ids"] = [[6, 0, await named.find_tags(unwritten[TAGS] or [])]]
    if request.resource != VARIANTS:
        await session.write(TEMPLATE, "write", [template], vals=values)
        return
    if values:
        await session.write(VARIANT, "write", [int(target.record.id)], vals=values)
    if "price" in unwritten:
        await session.write(TEMPLATE, "write", [template], vals={"list_price": float(unwritten["price"] or 0)})


def _build_own_values(request: WriteRequested, target: WriteTarget, unwritten: Mapping[str, Value]) -> dict[str, Any]:
    if request.resource == VARIANTS:
        return build_variant_values(unwritten, target.product.body["weight_unit"])
    return build_template_values(unwritten, target.product.body)
