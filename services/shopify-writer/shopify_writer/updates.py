"""Writes values to existing products and variants: only what differs, and only over the values that were expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.events import WriteRequested
from destination.destination import WriteResult
from linking.conditional import ChangedMeanwhileError, is_written, list_unwritten
from linking.records import VARIANTS, SkuFormat, Value
from platforms.shopify.linked_writes import build_product_input, build_variant_input, read_variant_values
from platforms.shopify.linking import ARCHIVED
from shopify_writer.generated.fragments import VariantFields
from shopify_writer.generated.update_product import UpdateProduct
from shopify_writer.generated.update_variants import UpdateVariants, UpdateVariantsProductVariantsBulkUpdate
from shopify_writer.graphql_documents import UPDATE_PRODUCT, UPDATE_VARIANTS
from shopify_writer.results import (
    SHOPIFY_API,
    build_applied,
    build_conflict,
    build_refused,
    build_unchanged,
    describe_errors,
    find_currency_refusal,
    find_index,
)
from shopify_writer.targets import Node, Target, build_product_target
from shopify_writer.write_session import MutationRefusedError, UnknownOutcomeError, WriteSession

OPTIONS_REFUSED = "the options of a product that exists are not changed: change them in the shop"


@dataclass(frozen=True)
class Update:
    """A write that has something to do: the fields of the mutation's input for `target`."""

    request: WriteRequested
    target: Target
    input: Node


def plan_update(request: WriteRequested, target: Target) -> Update | WriteResult:
    """Return what is to be sent for a request; or what came of it, when there is nothing to send."""
    if "options" in request.fields:
        return build_refused(request, OPTIONS_REFUSED)
    if (refusal := find_currency_refusal(request, target.currency)) is not None:
        return refusal
    if "published" in request.fields and "published" not in target.values:
        return build_conflict(request, target, f"the product has the status {target.node['status']}")
    try:
        wanted, present = request.fields, target.values
        unwritten = list_unwritten(request.resource, present, request.expected, wanted, target.currency)
        if "published" in unwritten and target.node["status"] == ARCHIVED:
            return build_conflict(request, target, "the product is archived")
        if not unwritten:
            return build_unchanged(request, target)
        return Update(request, target, _build_input(request, target, unwritten))
    except ChangedMeanwhileError as error:
        return build_conflict(request, target, str(error))
    except ValueError as error:
        return build_refused(request, str(error))


def _build_input(request: WriteRequested, target: Target, values: Mapping[str, Value]) -> Node:
    if request.resource != VARIANTS:
        return {"id": target.id, **build_product_input(values)}
    sku_format = SkuFormat(request.sku_format)
    return {"id": target.id, **build_variant_input(values, target.node, sku_format, target.currency)}


async def update_product(session: WriteSession, update: Update) -> WriteResult:
    """Write to a product. Raises the exceptions of `WriteSession.send_mutation`, except for MutationRefusedError."""
    request = update.request
    try:
        data, read_at = await session.send_mutation(UpdateProduct, UPDATE_PRODUCT, {"product": update.input})
    except MutationRefusedError as error:
        return build_refused(request, str(error), SHOPIFY_API)
    payload = data.productUpdate
    if payload is not None and payload.userErrors:
        return build_refused(request, describe_errors(payload.userErrors))
    if payload is None or payload.product is None:
        raise UnknownOutcomeError("the answer has no product")
    return build_applied(request, build_product_target(payload.product, read_at))


async def update_variants(session: WriteSession, updates: Sequence[Update]) -> list[WriteResult]:
    """Write to variants of one product in one call.

    Where Shopify refuses it, the variants that it names are refused. The others are sent anew without them, and in
    halves where it names none. Raises the exceptions of `WriteSession.send_mutation`, except for MutationRefusedError.
    Then the results of earlier calls are lost, and what they wrote is found when it is requested again.
    """
    try:
        payload, read_at = await _send_variants(session, updates)
    except MutationRefusedError as error:
        if len(updates) == 1:
            return [build_refused(updates[0].request, str(error), SHOPIFY_API)]
        return await _update_halves(session, updates)
    results, remaining = _match_results(payload, updates, read_at)
    if not remaining:
        return results
    if results:
        return results + await update_variants(session, remaining)
    return await _update_halves(session, remaining)


async def _update_halves(session: WriteSession, updates: Sequence[Update]) -> list[WriteResult]:
    middle = len(updates) // 2
    return await update_variants(session, updates[:middle]) + await update_variants(session, updates[middle:])


async def _send_variants(
    session: WriteSession, updates: Sequence[Update]
) -> tuple[UpdateVariantsProductVariantsBulkUpdate, int]:
    variables = {
        "productId": updates[0].target.product,
        "variants": [update.input for update in updates],
        "includeCost": any("cost" in update.request.fields for update in updates),
    }
    data, read_at = await session.send_mutation(UpdateVariants, UPDATE_VARIANTS, variables)
    if data.productVariantsBulkUpdate is None:
        raise UnknownOutcomeError("the answer has no payload")
    return data.productVariantsBulkUpdate, read_at


def _match_results(
    payload: UpdateVariantsProductVariantsBulkUpdate, updates: Sequence[Update], read_at: int
) -> tuple[list[WriteResult], list[Update]]:
    """Return what the answer says of updates, and the updates of which it says nothing."""
    version = payload.product.updatedAt if payload.product else None
    written = {variant.id: variant for variant in payload.productVariants or ()}
    results: list[WriteResult] = []
    remaining: list[Update] = []
    for index, update in enumerate(updates):
        errors = [
            error
            for error in payload.userErrors
            if find_index(error, ["variants"]) == index or error.field == ["productId"] or len(updates) == 1
        ]
        target = _build_target(update, written.get(update.target.id), version, read_at)
        if errors:
            results.append(build_refused(update.request, describe_errors(errors)))
        elif target is not None and (not payload.userErrors or _is_applied(update.request, target)):
            results.append(build_applied(update.request, target))
        else:
            remaining.append(update)
    if remaining and not payload.userErrors:
        raise UnknownOutcomeError("the answer does not have all variants")
    return results, remaining


def _build_target(update: Update, variant: VariantFields | None, version: str | None, read_at: int) -> Target | None:
    if variant is None or version is None:
        return None
    node = variant.model_dump()
    values = read_variant_values(node, SkuFormat(update.request.sku_format))
    changed = datetime.fromisoformat(version)
    return replace(update.target, node=node, values=values, version=changed, read_at=read_at)


def _is_applied(request: WriteRequested, target: Target) -> bool:
    return is_written(request.resource, target.values, request.fields, target.currency)
