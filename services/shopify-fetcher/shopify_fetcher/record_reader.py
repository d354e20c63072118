"""Reads records by their ids, in full and incremental syncs alike.

Records are not taken from lists, because Shopify's lists lag behind a change, while a read by id is current.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from connector.source import UnreadableRecord
from contracts.events import Record, parse_account
from platform_sdk.errors import PermanentError, QueryTooExpensiveError, RetryLaterError
from platforms.shopify.errors import FieldError, GraphqlResponse
from platforms.shopify.graphql_documents import GraphqlDocument
from platforms.shopify.ids import is_id_of
from platforms.shopify.session import UNKNOWN_FORM_ERRORS, describe_mismatch, parse_model, raise_first_error
from shopify_fetcher.generated.read_shop import ReadShop
from shopify_fetcher.graphql_documents import READ_SHOP
from shopify_fetcher.mappers.mapped_records import (
    MappedRecords,
    ResponseInfo,
    build_left_out_record,
    build_tombstone,
)
from shopify_fetcher.mappers.shop import map_shop
from shopify_fetcher.read_session import ReadSession
from shopify_fetcher.readable_resources import READABLE_RESOURCES, ReadableResource

MAX_RECORD_ERRORS = 10
"""When more records than this have an error in one response, the cause is taken to be the platform, not the records."""


class ShopIdentity(BaseModel):
    """What must be known of a shop's own record even if the rest of it cannot be read."""

    id: str
    myshopifyDomain: str


@dataclass
class ReadResult:
    """The result for the first `count` of the requested ids: their records, and the ids that could not be read."""

    count: int
    mapped: MappedRecords = field(default_factory=MappedRecords)
    unreadable: list[UnreadableRecord] = field(default_factory=list)
    is_denied: bool = False
    """Whether some records are unreadable because a scope is missing."""

    def merge(self, other: "ReadResult") -> None:
        """Add the records and the unreadable ids of `other`; `count` stays."""
        self.mapped.merge(other.mapped)
        self.unreadable += other.unreadable
        self.is_denied |= other.is_denied


class RecordReader:
    """Reads records by their ids in one session."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def read_as_many_as_fit(self, resource: str, ids: Sequence[str]) -> ReadResult:
        """Read as many of `ids` as fit into one response, at least one.

        An id for which Shopify returns null without an error does not exist, and becomes a tombstone. An id whose data
        does not have the expected form, or has a lasting error, becomes a record that is left out. An id with an error
        that is transient or means a missing scope is unreadable. When it is transient, the id is first requested once
        more in a request of its own, so that one record's error does not delay the others.

        Raises RetryLaterError when more than `MAX_RECORD_ERRORS` records have a transient error or when the query must
        wait, and PermanentError when Shopify refuses the query. A query that costs too much is repeated with fewer ids.
        """
        if resource == "shop":
            return await self._read_shop(ids)
        readable = READABLE_RESOURCES[resource]
        while True:
            batch = ids[: min(readable.max_ids, self._compute_batch_size(readable.document))]
            try:
                response = await self._fetch_records(readable.document, batch)
            except QueryTooExpensiveError as error:
                if not self._reduce_batch(readable.document, batch, error):
                    left_out = build_left_out_record(resource, ids[0], round(time.time() * 1000), str(error))
                    return ReadResult(1, MappedRecords(records=[left_out]))
                continue
            result = self._map_response(readable, batch, response)
            await self._retry_failed_records(readable, result)
            await self.complete_inventory(result)
            return result

    async def complete_inventory(self, result: ReadResult) -> None:
        """Read the incomplete inventory items of `result` directly, and add their records to `result`.

        An item is incomplete when not all of it came with its product. When an item cannot be read, its product is
        added to `result.unreadable`.
        """
        incomplete, result.mapped.incomplete_items = result.mapped.incomplete_items, {}
        ids = list(incomplete)
        while ids:
            items = await self.read_as_many_as_fit("inventory", ids)
            items.unreadable = [
                UnreadableRecord("products", incomplete[item.id], f"{item.id}: {item.reason}", retryable=item.retryable)
                for item in items.unreadable
            ]
            result.merge(items)
            ids = ids[items.count :]

    async def _retry_failed_records(self, readable: ReadableResource, result: ReadResult) -> None:
        """Request each record with a transient error once more, in a request of its own.

        Raises RetryLaterError when more than `MAX_RECORD_ERRORS` records have such an error.
        """
        faulty = [record for record in result.unreadable if record.retryable]
        if len(faulty) > MAX_RECORD_ERRORS:
            raise RetryLaterError(f"{len(faulty)} records have errors: {faulty[0].id}: {faulty[0].reason}")
        for record in faulty:
            try:
                response = await self._fetch_records(readable.document, (record.id,))
            except QueryTooExpensiveError:
                continue
            result.unreadable.remove(record)
            result.merge(self._map_response(readable, (record.id,), response))

    async def _fetch_records(self, document: GraphqlDocument, ids: Sequence[str]) -> GraphqlResponse:
        return await self._session.fetch(document, self._build_variables(document, ids))

    def _compute_batch_size(self, document: GraphqlDocument) -> int:
        return self._session.rate_limit.compute_batch_size(document, self._build_variables(document, ()))

    def _build_variables(self, document: GraphqlDocument, ids: Sequence[str]) -> dict[str, Any]:
        return {"ids": list(ids), **self._session.build_variables(document)}

    def _reduce_batch(self, document: GraphqlDocument, batch: Sequence[str], error: QueryTooExpensiveError) -> bool:
        """Note that `batch` was too expensive. Return whether the request can be made cheaper.

        It is made cheaper by fewer ids or, when the shop turns out to charge for every id, by shorter nested lists.
        """
        rate_limit = self._session.rate_limit
        was_flat = not rate_limit.charges_per_id
        rate_limit.learn_cost(document, self._build_variables(document, batch), error.cost)
        if was_flat and rate_limit.charges_per_id:
            return True
        rate_limit.reduce_batch_size(document, len(batch))
        return len(batch) > 1

    def _map_response(self, readable: ReadableResource, batch: Sequence[str], response: GraphqlResponse) -> ReadResult:
        errors = _index_errors_by_node(response.errors)
        info = ResponseInfo(self._session.context.read_id, response.read_at, self._session.can_read("inventory"))
        result = ReadResult(len(batch))
        for index, (gid, raw) in enumerate(zip(batch, response.data["nodes"], strict=True)):
            error = errors.get(index)
            if error is not None and not error.is_transient and not error.is_denied:
                result.mapped.add_record(build_left_out_record(readable.name, gid, response.read_at, error.reason))
            elif error is not None:
                result.unreadable.append(
                    UnreadableRecord(readable.name, gid, error.reason, retryable=error.is_transient)
                )
                result.is_denied |= error.is_denied
            elif raw is None:
                result.mapped.add_record(build_tombstone(readable.name, gid, response.read_at))
            else:
                _map_node(readable, gid, raw, info, result)
        return result

    async def _read_shop(self, ids: Sequence[str]) -> ReadResult:
        record = await read_shop(self._session)
        unreadable = [UnreadableRecord("shop", gid, "another shop's id") for gid in ids if gid != record.id]
        return ReadResult(len(ids), MappedRecords(records=[record]), unreadable)


def _map_node(
    readable: ReadableResource, gid: str, raw: dict[str, Any], info: ResponseInfo, result: ReadResult
) -> None:
    if not is_id_of(readable.name, gid):
        result.unreadable.append(UnreadableRecord(readable.name, gid, "an id of another resource"))
        return
    try:
        result.mapped.merge(readable.map_record(raw, info))
    except UNKNOWN_FORM_ERRORS as error:
        result.mapped.add_record(build_left_out_record(readable.name, gid, info.read_at, describe_mismatch(error)))


def _index_errors_by_node(errors: tuple[FieldError, ...]) -> dict[int, FieldError]:
    """Return the first error of each node (requested record). The keys are the nodes' positions in the response.

    Raises RecordError or PermanentError for an error that belongs to no node.
    """
    by_index: dict[int, FieldError] = {}
    for error in errors:
        match error.path:
            case ("nodes", int() as index, *_):
                by_index.setdefault(index, error)
            case _:
                raise_first_error((error,))
    return by_index


async def read_shop(session: ReadSession) -> Record:
    """Read the shop's own record. It is left out when it does not have the expected form.

    Raises PermanentError when the access token belongs to another shop, and when the shop's id or domain is missing.
    """
    response = await session.fetch_without_errors(READ_SHOP, {})
    identity = parse_model(ShopIdentity, response.data.get("shop"))
    if identity.myshopifyDomain != parse_account(session.context.token.connection):
        raise PermanentError("the access token is another shop's")
    try:
        return map_shop(ReadShop.model_validate(response.data).shop, response.read_at)
    except UNKNOWN_FORM_ERRORS as error:
        return build_left_out_record("shop", identity.id, response.read_at, describe_mismatch(error))
