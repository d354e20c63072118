"""Lists of records, and single records."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, Self

from pydantic import Field, model_validator

from contracts.events import ConnectionChanged
from contracts.feed_cursors import FeedCursor
from contracts.lookup_keys import build_lookup_key
from data_api.addresses import build_reset_error
from data_api.asgi.errors import RequestError
from data_api.asgi.operations import Answer, Operation
from data_api.asgi.requests import Request
from data_api.asgi.responses import JSON, Header, Response
from data_api.entity_tags import is_none_match
from data_api.field_selection import FieldTree
from data_api.list_cursors import LIST_CURSOR_PATTERN, MAX_CURSOR_CHARACTERS, ListCursor, build_binding
from data_api.models import RecordAnswer, RecordListAnswer
from data_api.representations import build_record, encode_json
from data_api.routes.v1.parameters import (
    CONNECTION,
    MAX_LIMIT,
    NOT_FOUND,
    NOT_READY,
    NOT_SYNCED,
    RECORD_ID,
    RESET,
    RESOURCE,
    FieldValue,
    Names,
    Selection,
    SyncedParameters,
    Time,
    dump_parameters,
)
from data_api.store.records import RecordFilter, RowPage, list_by_id, list_by_sequence, load_record
from data_api.use_cases.connection_reads import ConnectionReads

ListLookupFields = Callable[[str, str], Sequence[str]]
"""Returns the names of the lookup fields that a connection's resource has."""
MAX_PAGE_BYTES = 4 * 1024 * 1024
REVALIDATE: Header = (b"cache-control", b"private, no-cache")
VARY: Header = (b"vary", b"authorization, x-api-key")


class RecordParameters(SyncedParameters):
    """The parameters of one record."""

    fields: Selection | None = Field(default=None, description="The fields of `data` that are wanted: `a,b.c`.")


class RecordListParameters(RecordParameters):
    """The parameters of a list of records."""

    limit: int = Field(
        default=100, ge=1, le=MAX_LIMIT, description="At most so many records; also at most 4 MiB of them."
    )
    cursor: str | None = Field(
        default=None,
        description="`next_cursor` of the page before, with the same parameters.",
        pattern=LIST_CURSOR_PATTERN,
        max_length=MAX_CURSOR_CHARACTERS,
    )
    order: Literal["id", "sequence"] = Field(
        default="id",
        description="`id` is complete for what exists throughout. `sequence`: what has changed last comes last.",
    )
    ids: Names | None = Field(default=None, description="These records only: up to 250 ids, separated by commas.")
    updated_after: Time | None = Field(
        default=None,
        description="Records that the platform has changed after this time. Those without a time are left out.",
    )
    include: Literal["deleted"] | None = Field(default=None, description="`deleted`: also those that are gone.")
    where: FieldValue | None = Field(
        default=None,
        description=(
            "Records whose lookup field has exactly this value, in upper and lower case as in `data`, such as "
            "`handle:red-shirt`; where a field has several values (SKUs), one of them. A field that the resource does "
            "not have is answered with 400, which names those that it has. Deleted records have no values."
        ),
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.ids is not None and self.order != "id":
            raise ValueError("ids: these are listed in the order of their ids only")
        return self

    def build_filter(self, resource: str) -> RecordFilter:
        """Return which records of the resource the list has."""
        return RecordFilter(
            with_deleted=self.include == "deleted",
            updated_after=self.updated_after,
            lookup_key=build_lookup_key(resource, *self.where) if self.where else None,
            ids=self.ids,
        )


def build_record_operations(reads: ConnectionReads, list_lookup_fields: ListLookupFields) -> list[Operation]:
    """Return the operations of records."""
    return [
        Operation(
            "GET",
            "/v1/connections/{connection}/records/{resource}",
            "listRecords",
            "List the records of a resource",
            partial(_list_records, reads, list_lookup_fields),
            {200: Answer("A page of records.", RecordListAnswer)},
            tag="records",
            description=(
                "To hold a copy: take `changes/head`, list each resource by id, then read the changes from that "
                "cursor; apply them by id, and skip what is not newer by `sequence`."
            ),
            error_answers={**NOT_FOUND, **NOT_READY, **NOT_SYNCED, **RESET},
            path_parameters=(CONNECTION, RESOURCE),
            parameters=RecordListParameters,
        ),
        Operation(
            "GET",
            "/v1/connections/{connection}/records/{resource}/{record_id}",
            "getRecord",
            "Get one record",
            partial(_get_record, reads),
            {
                200: Answer(
                    "The record.", RecordAnswer, headers={"ETag": "The SHA-256 of the record's canonical JSON."}
                ),
                304: Answer("The record is the one that `If-None-Match` names.", is_empty=True),
            },
            tag="records",
            error_answers={
                **NOT_READY,
                **NOT_SYNCED,
                404: "There is no such record or connection, or the key is not for it.",
                410: "The record was deleted.",
            },
            path_parameters=(CONNECTION, RESOURCE, RECORD_ID),
            parameters=RecordParameters,
            header_parameters={"If-None-Match": "Answer 304 if the record's ETag is among these."},
        ),
    ]


async def _get_record(reads: ConnectionReads, request: Request) -> Response:
    names, parameters = request.path_parameters, request.parameters
    connection = reads.find(request.caller, names["connection"])
    reached = await reads.find_reached(connection, parameters.after_sync)
    found = await load_record(
        reads.databases, connection.connection, names["resource"], names["record_id"], reached=reached
    )
    reads.check_head(connection, found[0] if found else None)
    row = found[1] if found else None
    if row is None:
        raise RequestError(404, "there is no such record")
    if row["is_deleted"]:
        fields = {name: value for name, value in build_record(row).items() if name != "data"}
        raise RequestError(410, "the record was deleted", **fields)
    tag = _build_tag(row["content_hash"].hex(), parameters.fields)
    headers = [(b"etag", f'"{tag}"'.encode()), REVALIDATE, VARY]
    condition = request.get_header(b"if-none-match")
    if condition is not None and not is_none_match(condition, tag):
        return Response(304, headers)
    return Response(200, [JSON, *headers], encode_json(build_record(row, parameters.fields)))


def _build_tag(content_hash: str, fields: FieldTree | None) -> str:
    """Return the version of a record's representation. One that is cut to fields is another one."""
    return content_hash if fields is None else f"{content_hash}-{build_binding('', '', fields)}"


async def _list_records(reads: ConnectionReads, list_lookup_fields: ListLookupFields, request: Request) -> Response:
    parameters: RecordListParameters = request.parameters
    connection = reads.find(request.caller, request.path_parameters["connection"])
    resource = request.path_parameters["resource"]
    if parameters.where is not None:
        _check_lookup_field(parameters.where[0], resource, list_lookup_fields(connection.connection, resource))
    binding = build_binding(
        connection.connection, resource, dump_parameters(parameters, "cursor", "limit", "after_sync")
    )
    cursor = _decode_cursor(parameters, binding)
    if cursor is not None and parameters.after_sync is None:
        reached: FeedCursor | None = cursor.reached
    else:
        reached = await reads.find_start(connection, parameters.after_sync)
    page = await _read_page(reads, connection, resource, parameters, cursor, reached)
    head = reads.check_head(connection, page.head if page else None)
    assert page is not None
    start = cursor.reached if cursor else reached or head.cursor
    if not head.can_resume(start):
        raise build_reset_error(connection.connection)
    next_cursor = ListCursor(start, page.rows[-1][parameters.order]).encode(binding) if page.has_more else None
    records = [build_record(row, parameters.fields) for row in page.rows]
    return Response(200, [JSON, REVALIDATE, VARY], encode_json({"records": records, "next_cursor": next_cursor}))


def _check_lookup_field(field: str, resource: str, declared: Sequence[str]) -> None:
    if field not in declared:
        known = f"its lookup fields are {', '.join(declared)}" if declared else "it has no lookup fields"
        raise RequestError(400, f"where: {resource} has no lookup field {field}: {known}")


def _decode_cursor(parameters: RecordListParameters, binding: str) -> ListCursor | None:
    if parameters.cursor is None:
        return None
    try:
        return ListCursor.decode(parameters.cursor, binding)
    except ValueError as error:
        raise RequestError(400, f"cursor: {error}") from None


async def _read_page(
    reads: ConnectionReads,
    connection: ConnectionChanged,
    resource: str,
    parameters: RecordListParameters,
    cursor: ListCursor | None,
    reached: FeedCursor | None,
) -> RowPage | None:
    after = cursor.after if cursor else None
    if parameters.order == "sequence":
        if not isinstance(after, int | None):
            raise RequestError(400, "cursor: not a cursor")
        return await list_by_sequence(
            reads.databases,
            connection.connection,
            resource,
            parameters.build_filter(resource),
            after=after or 0,
            limit=parameters.limit,
            max_bytes=MAX_PAGE_BYTES,
            reached=reached,
        )
    if not isinstance(after, str | None):
        raise RequestError(400, "cursor: not a cursor")
    return await list_by_id(
        reads.databases,
        connection.connection,
        resource,
        parameters.build_filter(resource),
        after=after,
        limit=parameters.limit,
        max_bytes=MAX_PAGE_BYTES,
        reached=reached,
    )
