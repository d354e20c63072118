"""Makes products, each once: by `load`, which makes the record of an external id or finds it, in one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.events import WriteRequested
from destination.destination import APPLIED, UNCHANGED, Outcome, WriteResult
from odoo_writer.named_records import NamedRecords
from odoo_writer.results import build_read, build_refused
from odoo_writer.targets import TargetProduct, WriteTarget, read_products
from odoo_writer.values import PRODUCT_TYPE, TAGS, UnwritableError, build_template_values, build_variant_values
from platform_sdk.errors import PermanentError, RetryLaterError
from platforms.odoo.database_fields import TEMPLATE, VARIANT, DatabaseFields
from platforms.odoo.product_reader import ProductReader
from platforms.odoo.reading import ALL
from platforms.odoo.session import OdooSession

MODULE = "__merchant_sync__"
_MADE = ("title", "description", "published")
_VARIANT_FIELDS = ("sku", "barcode", "cost", "weight")
_VARIANT_COLUMNS = ("default_code", "barcode", "standard_price", "weight")
ATTRIBUTE, ATTRIBUTE_VALUE = "product.attribute", "product.attribute.value"
_SERIALIZATION = "could not serialize access"
"""PostgreSQL's text in the messages of `load`: somebody else makes the same record at this moment."""


async def create_product(
    session: OdooSession,
    references: NamedRecords,
    reader: ProductReader,
    fields: DatabaseFields,
    request: WriteRequested,
) -> WriteResult:
    """Make the product of a request with its variants, unless the database has one of its SKUs already.

    Raises the exceptions of `OdooSession.write`; what was made until then is found when the request comes again.
    """
    known = await _find_by_skus(session, request)
    if known is not None:
        return await _read_made(reader, request, known, UNCHANGED)
    try:
        names, rows = await _build_rows(session, references, fields, request)
    except UnwritableError as error:
        return build_refused(request, str(error))
    answer = await session.write(TEMPLATE, "load", fields=names, data=rows)
    if not answer["ids"]:
        messages = "; ".join(str(message.get("message", "")) for message in answer["messages"])
        if _SERIALIZATION in messages:
            raise RetryLaterError("the product is being made at this moment", seconds=1.0, escalates=True)
        return build_refused(request, messages or "the database has made nothing, and says nothing")
    template = int(answer["ids"][0])
    products, _ = await read_products(reader, [template])
    product = products.get(template)
    if product is None:
        raise RetryLaterError("the product that was made cannot be read yet", seconds=1.0, escalates=True)
    remark = await _write_variants(session, request, product)
    return await _read_made(reader, request, template, APPLIED, remark)


async def _find_by_skus(session: OdooSession, request: WriteRequested) -> int | None:
    """Return the template of a variant that has one of the SKUs; None if there is none, archived or not."""
    skus = [variant["sku"] for variant in request.variants if variant.get("sku")]
    domain = [("default_code", "in", skus)]
    rows = await session.search_read(VARIANT, domain, ("id", "product_tmpl_id"), limit=1, context=ALL)
    return int(rows[0]["product_tmpl_id"][0]) if rows else None


async def _build_rows(
    session: OdooSession, references: NamedRecords, fields: DatabaseFields, request: WriteRequested
) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns, and the rows that make the template with its attributes."""
    optional = ("website_description", "is_published")
    body: dict[str, Any] = {name: None for name in optional if name in fields.template}
    wanted = {name: value for name, value in request.fields.items() if name in _MADE}
    columns: dict[str, Any] = {"id": f"{MODULE}.{request.external_id}", **build_template_values(wanted, body)}
    if "is_storable" in fields.template:
        columns["is_storable"] = True
    elif "detailed_type" in fields.template and fields.has_stock:
        columns["detailed_type"] = "product"
    columns["sale_ok"] = True
    prices = sorted(float(variant["price"]) for variant in request.variants if variant.get("price") is not None)
    if prices:
        columns["list_price"] = prices[0]
    if request.fields.get(PRODUCT_TYPE):
        columns["categ_id/.id"] = await references.find_category(request.fields[PRODUCT_TYPE])
    if request.fields.get(TAGS):
        columns["product_tag_ids/.id"] = ",".join(map(str, await references.find_tags(request.fields[TAGS])))
    return await _add_attributes(session, request, columns)


async def _add_attributes(
    session: OdooSession, request: WriteRequested, columns: Mapping[str, Any]
) -> tuple[list[str], list[list[str]]]:
    """Return the columns with those of the attributes. Each attribute after the first has a row with nothing else."""
    options: Sequence[Mapping[str, Any]] = request.fields.get("options") or ()
    names, row = list(columns), [_to_cell(value) for value in columns.values()]
    if not options:
        return names, [row]
    cells = []
    for number, option in enumerate(options):
        attribute = await _find_or_make(session, ATTRIBUTE, [str(option["name"])], {"create_variant": "always"})
        texts = [str(value) for value in option["values"]]
        values = await _find_or_make(session, ATTRIBUTE_VALUE, texts, {"attribute_id": attribute[0]})
        line = f"{MODULE}.{request.external_id}_line_{number}"
        cells.append([line, str(attribute[0]), ",".join(map(str, values))])
    rows = [[*(row if number == 0 else [""] * len(row)), *of_line] for number, of_line in enumerate(cells)]
    return [*names, *(f"attribute_line_ids/{name}" for name in ("id", "attribute_id/.id", "value_ids/.id"))], rows


async def _find_or_make(
    session: OdooSession, model: str, names: Sequence[str], values: Mapping[str, Any]
) -> list[int]:
    """Return the ids of the records of these names, in their order; missing ones are made with `values`."""
    parent = [(name, "=", value) for name, value in values.items()]
    rows = await session.search_read(model, [("name", "in", list(names)), *parent], ("id", "name"))
    known = {str(row["name"]): int(row["id"]) for row in reversed(rows)}
    missing = [name for name in names if name not in known]
    if missing:
        made = await session.write(model, "create", vals_list=[{"name": name, **values} for name in missing])
        known |= {name: int(number) for name, number in zip(missing, made, strict=True)}
    return [known[name] for name in names]


def _to_cell(value: Any) -> str:
    """Return a value as `load` takes it: text, and nothing for an empty value."""
    if isinstance(value, bool):
        return "1" if value else ""
    return "" if value is None else str(value)


async def _write_variants(session: OdooSession, request: WriteRequested, product: TargetProduct) -> str | None:
    """Give the variants their SKUs, barcodes, costs and weights: all of them or none, so that no half is found later.

    Returns what the merchant must know, or None. Raises PermanentError where Odoo refuses a value.
    """
    remarks = []
    rows = []
    by_options = {_build_key(child.option_values): child for child in product.record.children}
    for wanted in request.variants:
        child = by_options.get(_build_key(wanted.get("option_values") or {}))
        if child is None:
            remarks.append(f"no variant was made for {wanted.get('sku')}")
            continue
        fields = {name: wanted.get(name) for name in _VARIANT_FIELDS}
        values = build_variant_values(fields, product.body["weight_unit"])
        rows.append([child.id, *(_to_cell(values[name]) for name in _VARIANT_COLUMNS)])
    answer = await session.write(VARIANT, "load", fields=[".id", *_VARIANT_COLUMNS], data=rows)
    if not answer["ids"]:
        raise PermanentError("; ".join(str(message.get("message", "")) for message in answer["messages"]))
    prices = {variant["price"] for variant in request.variants if variant.get("price") is not None}
    if len(prices) > 1:
        remarks.append("the variants have the lowest of their prices, because Odoo's variants share one")
    return "; ".join(remarks) or None


def _build_key(option_values: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    return frozenset((str(name).casefold(), str(value).casefold()) for name, value in option_values.items())


async def _read_made(
    reader: ProductReader, request: WriteRequested, template: int, outcome: Outcome, message: str | None = None
) -> WriteResult:
    products, _ = await read_products(reader, [template])
    product = products.get(template)
    if product is None:
        return build_refused(request, "the product is gone again")
    variants = {child.keys.sku: child.id for child in product.record.children if child.keys.sku}
    return build_read(request, outcome, WriteTarget(product, product.record), variants=variants, message=message)
