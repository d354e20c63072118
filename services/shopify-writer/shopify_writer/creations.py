"""Makes products with their variants. A product has the id of the request as its custom id, so it is made only once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contracts.events import WriteRequested
from destination.destination import WriteResult
from linking.records import PRODUCTS, SkuFormat
from platform_sdk.errors import RecordError
from platforms.shopify.linked_writes import EXTERNAL_ID, EXTERNAL_ID_DEFINITION, build_new_product
from platforms.shopify.linking import extract_options, parse_sku_field
from platforms.shopify.session import parse_model, raise_first_error
from shopify_writer.generated.create_product import CreateProduct, CreateProductProductSetProduct
from shopify_writer.generated.define_id import DefineId
from shopify_writer.generated.find_product import FindProduct, FindProductProductByIdentifier
from shopify_writer.generated.fragments import VariantIds
from shopify_writer.generated.list_variants import ListVariants
from shopify_writer.graphql_documents import CREATE_PRODUCT, DEFINE_ID, FIND_PRODUCT, LIST_VARIANTS
from shopify_writer.results import (
    SHOPIFY_API,
    build_applied,
    build_refused,
    build_unchanged,
    describe_errors,
    find_currency_refusal,
)
from shopify_writer.targets import Target, build_product_target, read_currency
from shopify_writer.write_session import MutationRefusedError, UnknownOutcomeError, WriteSession

PAGE = 250
"""How many variants come with a product, and in each further answer: the most that Shopify gives."""
TAKEN = "TAKEN"
"""The code of the error that there is a definition with the same name."""
Product = FindProductProductByIdentifier | CreateProductProductSetProduct
Found = tuple[tuple[Target, Product] | None, str]
"""The product that was looked for, or None, and the currency of the shop."""


async def create_product(session: WriteSession, request: WriteRequested) -> WriteResult:
    """Make a product, unless there is one with the same custom id.

    Raises the exceptions of `WriteSession.fetch_response` and `WriteSession.send_mutation`, except for
    MutationRefusedError.
    """
    if request.resource != PRODUCTS or not request.external_id:
        return build_refused(request, "only a product with an external id can be made")
    sku_format = SkuFormat(request.sku_format)
    try:
        fields = build_new_product(request.external_id, request.fields, request.variants, sku_format, request.currency)
        found, currency = await _find_or_define(session, request.external_id)
        if found is not None:
            target, product = found
            return build_unchanged(request, target, await _list_variants(session, product, sku_format))
        return find_currency_refusal(request, currency) or await _create(session, request, fields)
    except ValueError as error:
        return build_refused(request, str(error))
    except MutationRefusedError as error:
        return build_refused(request, str(error), SHOPIFY_API)


async def _create(session: WriteSession, request: WriteRequested, fields: Mapping[str, Any]) -> WriteResult:
    identifier = {"customId": {**EXTERNAL_ID, "value": request.external_id}}
    variables = {"input": fields, "identifier": identifier, "first": PAGE}
    data, read_at = await session.send_mutation(CreateProduct, CREATE_PRODUCT, variables)
    payload = data.productSet
    if payload is not None and payload.userErrors:
        return build_refused(request, describe_errors(payload.userErrors))
    if payload is None or payload.product is None:
        raise UnknownOutcomeError("the answer has no product")
    target = _build_target(payload.product, read_at)
    variants = await _list_variants(session, payload.product, SkuFormat(request.sku_format))
    return build_applied(request, target, variants)


async def _find_or_define(session: WriteSession, external_id: str) -> Found:
    """Return the product with this custom id, or None, and the shop's currency.

    Makes the definition of custom ids if the shop has none. Raises MutationRefusedError if the shop cannot have them.
    """
    try:
        return await _find_product(session, external_id)
    except MutationRefusedError:
        # Without a definition every search is an error, in words that are not documented.
        await _define_id(session)
        return await _find_product(session, external_id)


async def _find_product(session: WriteSession, external_id: str) -> Found:
    identifier = {"customId": {**EXTERNAL_ID, "value": external_id}}
    response, read_at = await session.fetch_response(FIND_PRODUCT, {"identifier": identifier, "first": PAGE})
    for error in response.errors:
        if error.is_denied or error.is_transient:
            raise_first_error((error,))
        raise MutationRefusedError(error.reason)
    product = parse_model(FindProduct, response.data).productByIdentifier
    currency = read_currency(session, response)
    return ((_build_target(product, read_at), product) if product is not None else None), currency


async def _define_id(session: WriteSession) -> None:
    data, _ = await session.send_mutation(DefineId, DEFINE_ID, {"definition": EXTERNAL_ID_DEFINITION})
    errors = data.metafieldDefinitionCreate.userErrors if data.metafieldDefinitionCreate else []
    if any(error.code != TAKEN for error in errors):
        raise MutationRefusedError("; ".join(error.message for error in errors))


def _build_target(product: Product, read_at: int) -> Target:
    target = build_product_target(product, read_at)
    return replace(target, values={**target.values, "options": extract_options(target.node["options"])})


async def _list_variants(session: WriteSession, product: Product, sku_format: SkuFormat) -> dict[str, str]:
    """Return the ids of all variants of a product by their SKUs; those without a SKU are left out."""
    page: VariantIds = product.variants
    variants = _index_by_sku(page, sku_format)
    while page.pageInfo.hasNextPage:
        variables = {"id": product.id, "first": PAGE, "after": page.pageInfo.endCursor}
        data, _ = await session.fetch_model(ListVariants, LIST_VARIANTS, variables)
        if data.product is None:
            raise RecordError("the product was deleted while its variants were listed")
        page = data.product.variants
        variants |= _index_by_sku(page, sku_format)
    return variants


def _index_by_sku(page: VariantIds, sku_format: SkuFormat) -> dict[str, str]:
    skus = [(parse_sku_field(edge.node.sku, sku_format).sku, edge.node.id) for edge in page.edges]
    return {sku: gid for sku, gid in skus if sku}
