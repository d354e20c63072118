"""Reads the records that are about to be written, many in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.events import WriteRequested
from linking.records import PRODUCTS, SkuFormat, Values
from platform_sdk.errors import PermanentError
from platforms.shopify.errors import FieldError, GraphqlResponse
from platforms.shopify.ids import is_id_of
from platforms.shopify.linked_writes import read_product_values, read_variant_values
from platforms.shopify.session import parse_model, parse_shop, raise_first_error
from shopify_writer.generated.fragments import ProductFields, ShopFields
from shopify_writer.generated.read_targets import ReadTargetsNodesProductVariant
from shopify_writer.graphql_documents import READ_TARGETS
from shopify_writer.write_session import WriteSession

MAX_TARGETS = 50
"""The most records in one call: between it and the last of their mutations little time may pass."""
Node = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """A record as a shop has it.

    `node` has the record's fields as the Admin API answers them, `values` the shared fields. `product` is the id of the
    product: its own, or a variant's. `version` is when the product was changed last, `read_at` when the answer arrived
    (ms). `currency` is that of the shop.
    """

    id: str
    product: str
    node: Node
    values: Values
    version: datetime
    read_at: int
    currency: str | None = None


@dataclass(frozen=True)
class Targets:
    """The records of a batch by their ids. Those in neither table are gone."""

    found: Mapping[str, Target]
    unreadable: Mapping[str, FieldError]
    read_at: int


async def read_targets(session: WriteSession, requests: Sequence[WriteRequested]) -> Targets:
    """Read the records of `requests`, at most MAX_TARGETS, whose ids are valid.

    Raises the exceptions of `WriteSession.fetch_response`, AccessDeniedError for a missing scope, and PermanentError
    when the token belongs to another shop.
    """
    formats = {str(request.record): SkuFormat(request.sku_format) for request in requests}
    wants_cost = any("cost" in request.fields for request in requests)
    variables = {"ids": list(formats), "includeCost": wants_cost}
    response, read_at = await session.fetch_response(READ_TARGETS, variables)
    unreadable = collect_errors(response.errors, list(formats))
    currency = read_currency(session, response)
    found = {
        gid: _build_target(gid, node, formats[gid], read_at, currency)
        for gid, node in zip(formats, response.data["nodes"], strict=True)
        if node is not None and gid not in unreadable
    }
    return Targets(found, unreadable, read_at)


def read_currency(session: WriteSession, response: GraphqlResponse) -> str:
    """Return the shop's currency from a response. Raises PermanentError when the token belongs to another shop."""
    shop = parse_model(ShopFields, response.data["shop"])
    if shop.myshopifyDomain != parse_shop(session.context.token.connection):
        raise PermanentError("the access token is another shop's")
    return shop.currencyCode


def has_valid_id(request: WriteRequested) -> bool:
    """Return whether a request names a record by an id of its resource. One other id would make a call fail."""
    return request.record is not None and is_id_of(request.resource, request.record)


def collect_errors(errors: Sequence[FieldError], gids: Sequence[str]) -> dict[str, FieldError]:
    """Return the first error of each record. Raises the first error that denies access, or belongs to no record."""
    by_id: dict[str, FieldError] = {}
    for error in errors:
        match error.path:
            case ("nodes", int() as index, *_) if not error.is_denied:
                by_id.setdefault(gids[index], error)
            case _:
                raise_first_error((error,))
    return by_id


def build_product_target(product: ProductFields, read_at: int) -> Target:
    """Return a product that was read at `read_at` (ms)."""
    node = product.model_dump()
    version = datetime.fromisoformat(product.updatedAt)
    return Target(product.id, product.id, node, read_product_values(node), version, read_at)


def _build_target(gid: str, node: Node, sku_format: SkuFormat, read_at: int, currency: str) -> Target:
    if is_id_of(PRODUCTS, gid):
        product = parse_model(ProductFields, node)
        version, values = product.updatedAt, read_product_values(node)
        return Target(gid, gid, node, values, datetime.fromisoformat(version), read_at, currency)
    parent = parse_model(ReadTargetsNodesProductVariant, node).product
    values = read_variant_values(node, sku_format)
    return Target(gid, parent.id, node, values, datetime.fromisoformat(parent.updatedAt), read_at, currency)
