"""The change feed of a connection: page by page, and where it is now."""

import asyncio
from functools import partial

from pydantic import Field

from contracts.events import ConnectionChanged
from contracts.feed_cursors import FeedCursor
from data_api.addresses import build_reset_error
from data_api.asgi.operations import Answer, Operation
from data_api.asgi.requests import Request
from data_api.asgi.responses import JSON, Header, Response
from data_api.models import ChangePageAnswer, FeedHeadAnswer
from data_api.representations import build_change, encode_json
from data_api.routes.v1.parameters import (
    CONNECTION,
    MAX_LIMIT,
    NOT_FOUND,
    NOT_READY,
    NOT_SYNCED,
    RESET,
    Cursor,
    Names,
    QueryParameters,
    SyncedParameters,
)
from data_api.store.changes import find_position, read_changes
from data_api.store.records import RowPage
from data_api.tables.signals import wait_for_signals
from data_api.use_cases.connection_reads import ConnectionReads

MAX_PAGE_BYTES = 4 * 1024 * 1024
MAX_WAIT_SECONDS = 25
NO_STORE: Header = (b"cache-control", b"no-store")


class FeedOptions(QueryParameters):
    """What a reader wants of the changes."""

    resources: Names | None = Field(default=None, description="Changes of these resources only, separated by commas.")
    data: bool = Field(default=True, description="`false` leaves out the records themselves.")


class ChangesParameters(FeedOptions):
    """The parameters of a page of changes."""

    cursor: Cursor = Field(description="`next_cursor` of the page before, or the cursor of `changes/head`.")
    limit: int = Field(
        default=100, ge=1, le=MAX_LIMIT, description="At most so many changes; also at most 4 MiB of them."
    )
    wait: float = Field(
        default=0, ge=0, le=MAX_WAIT_SECONDS, description="How many seconds to wait for a change while there is none."
    )


def build_change_operations(reads: ConnectionReads) -> list[Operation]:
    """Return the operations of the change feed without its stream."""
    return [
        Operation(
            "GET",
            "/v1/connections/{connection}/changes",
            "listChanges",
            "List what has changed since a cursor",
            partial(_list_changes, reads),
            {
                200: Answer(
                    "A page of changes, in the order of their numbers: each record once, as it is now.",
                    ChangePageAnswer,
                )
            },
            tag="changes",
            error_answers={**NOT_FOUND, **NOT_READY, **RESET},
            path_parameters=(CONNECTION,),
            parameters=ChangesParameters,
        ),
        Operation(
            "GET",
            "/v1/connections/{connection}/changes/head",
            "getFeedHead",
            "Get the cursor of now",
            partial(_get_head, reads),
            {200: Answer("The cursor.", FeedHeadAnswer)},
            tag="changes",
            error_answers={**NOT_FOUND, **NOT_READY, **NOT_SYNCED},
            path_parameters=(CONNECTION,),
            parameters=SyncedParameters,
        ),
    ]


async def _get_head(reads: ConnectionReads, request: Request) -> Response:
    connection = reads.find(request.caller, request.path_parameters["connection"])
    if request.parameters.after_sync is not None:
        await reads.wait_for_sync(connection, request.parameters.after_sync)
    head = await reads.load_head(connection)
    return Response(200, [JSON, NO_STORE], encode_json({"cursor": head.cursor.encode()}))


async def _list_changes(reads: ConnectionReads, request: Request) -> Response:
    parameters: ChangesParameters = request.parameters
    connection = reads.find(request.caller, request.path_parameters["connection"])
    clock = asyncio.get_running_loop().time
    deadline = clock() + parameters.wait
    position = parameters.cursor
    while True:
        signal = reads.state.watch_feed(connection.connection)
        page = await _read_page(reads, connection, position, parameters)
        if page.rows or clock() >= deadline:
            break
        position = find_position(page)
        await wait_for_signals(signal, seconds=deadline - clock())
        # The right to see the connection may have ended while the request waited.
        connection = reads.find(request.caller, connection.connection)
    changes = [build_change(row, position.sequence, with_data=parameters.data) for row in page.rows]
    body = {"changes": changes, "next_cursor": find_position(page).encode(), "has_more": page.has_more}
    return Response(200, [JSON, NO_STORE], encode_json(body))


async def _read_page(
    reads: ConnectionReads, connection: ConnectionChanged, position: FeedCursor, parameters: ChangesParameters
) -> RowPage:
    """Return the page after `position`. Raises `RequestError` (410) if the feed cannot go on from there."""
    page = await read_changes(
        reads.databases,
        connection.connection,
        position,
        limit=parameters.limit,
        max_bytes=MAX_PAGE_BYTES,
        resources=parameters.resources,
        with_bodies=parameters.data,
        reached=reads.compute_reached(connection, position),
    )
    head = reads.check_head(connection, page.head if page else None)
    if page is None or not head.can_resume(position):
        raise build_reset_error(connection.connection)
    return page
