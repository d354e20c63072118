"""Takes products off sale, archives them, or deletes them: once, and only as they were expected to be."""

from contracts.events import WriteRequested
from destination.destination import APPLIED, WriteResult
from linking.conditional import is_written
from linking.records import PRODUCTS
from platforms.shopify.linked_writes import DRAFT
from platforms.shopify.linking import ARCHIVED
from shopify_writer.generated.delete_product import DeleteProduct
from shopify_writer.graphql_documents import DELETE_PRODUCT
from shopify_writer.results import (
    SHOPIFY_API,
    build_conflict,
    build_deleted,
    build_refused,
    build_unchanged,
    describe_errors,
)
from shopify_writer.targets import Target
from shopify_writer.updates import Update, update_product
from shopify_writer.write_session import MutationRefusedError, UnknownOutcomeError, WriteSession

DELETE = "delete"
_STATUSES = {"draft": DRAFT, "archive": ARCHIVED}
_ENOUGH = {"draft": (DRAFT, ARCHIVED), "archive": (ARCHIVED,), DELETE: ()}
"""The statuses with which nothing is left to do. An archived product is off sale, and stays archived."""


def find_result(request: WriteRequested, target: Target) -> WriteResult | None:
    """Return what came of a request, when there is nothing to send for it; otherwise None."""
    if request.resource != PRODUCTS:
        return build_refused(request, "variants are not taken off sale, archived or deleted")
    if target.node["status"] in _ENOUGH[request.operation]:
        return build_unchanged(request, target)
    if not is_written(request.resource, target.values, request.expected, target.currency):
        return build_conflict(request, target, "the product has changed meanwhile")
    return None


async def remove_product(session: WriteSession, request: WriteRequested, target: Target) -> WriteResult:
    """Do what is requested with a product.

    Raises the exceptions of `WriteSession.send_mutation`, except for MutationRefusedError.
    """
    if request.operation == DELETE:
        return await _delete_product(session, request)
    status = _STATUSES[request.operation]
    return await update_product(session, Update(request, target, {"id": target.id, "status": status}))


async def _delete_product(session: WriteSession, request: WriteRequested) -> WriteResult:
    try:
        data, read_at = await session.send_mutation(DeleteProduct, DELETE_PRODUCT, {"id": request.record})
    except MutationRefusedError as error:
        return build_refused(request, str(error), SHOPIFY_API)
    payload = data.productDelete
    if payload is None:
        raise UnknownOutcomeError("the answer has no payload")
    if payload.userErrors:
        return build_refused(request, describe_errors(payload.userErrors))
    return build_deleted(request, APPLIED, read_at)
