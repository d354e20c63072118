"""The change feed of a connection as Server-Sent Events."""

from contextlib import ExitStack
from functools import partial

from pydantic import Field

from contracts.feed_cursors import CURSOR_PATTERN, FeedCursor
from data_api.addresses import build_restart
from data_api.asgi.errors import RequestError
from data_api.asgi.operations import Answer, Operation
from data_api.asgi.requests import Receive, Request, Send
from data_api.asgi.responses import DirectResponse, Header
from data_api.key_limits import KeyLimits
from data_api.routes.v1.changes import FeedOptions
from data_api.routes.v1.parameters import CONNECTION, NOT_FOUND, NOT_READY, Cursor
from data_api.server_sent_events import HEADERS, encode_keep_alive
from data_api.stream_events import StreamOptions
from data_api.stream_protocol import get_transport
from data_api.stream_subscribers import Subscriber
from data_api.use_cases.change_streams import ChangeStreams
from data_api.use_cases.connection_reads import ConnectionReads

# The stream's end closes the connection, so clients must not send another request on it.
CLOSING: Header = (b"connection", b"close")
_EXAMPLE = """id: 0b7f4b5c0d3e4f8a9c1d2e3f4a5b6c7d.1.4711
event: change
data: {"sequence":4711,"resource":"products","id":"632910392","operation":"update","data":{"title":"Shirt"}}

"""


class StreamParameters(FeedOptions):
    """The parameters of a stream of changes."""

    cursor: Cursor | None = Field(
        default=None, description="Begin after this cursor; without it, now. `Last-Event-ID` goes before it."
    )


def build_stream_operation(reads: ConnectionReads, streams: ChangeStreams, limits: KeyLimits) -> Operation:
    """Return the operation of the stream of changes."""
    return Operation(
        "GET",
        "/v1/connections/{connection}/changes/stream",
        "streamChanges",
        "Follow what changes, as Server-Sent Events",
        partial(_open_stream, reads, streams, limits),
        {200: Answer("The stream.", media_type="text/event-stream", schema={}, example=_EXAMPLE)},
        tag="changes",
        description=(
            "`change` has a record as it is now; its id is the cursor after it. `sync` has a sync whose state has "
            "changed. `reset` says that the copy must be read anew from `restart`. `end` says why the stream ends, and "
            "with which cursor to come back. A comment with the present cursor as id comes at least every 15 s."
        ),
        error_answers={**NOT_FOUND, **NOT_READY},
        path_parameters=(CONNECTION,),
        parameters=StreamParameters,
        header_parameters={"Last-Event-ID": "The id of the last event that was received: the stream goes on after it."},
        header_patterns={"Last-Event-ID": f"^({CURSOR_PATTERN})?$"},
        is_streaming=True,
    )


async def _open_stream(
    reads: ConnectionReads, streams: ChangeStreams, limits: KeyLimits, request: Request
) -> DirectResponse:
    connection = reads.find(request.caller, request.path_parameters["connection"])
    # A cursor from which nothing can go on is answered by the event `reset`: browsers do not show the body of a 410.
    position = _get_position(request) or (await reads.load_head(connection)).cursor
    subscriber = Subscriber(
        connection=connection.connection,
        transport=get_transport(request.scope),
        position=position,
        options=_build_options(request.parameters),
        restart=build_restart(connection.connection),
        is_visible=partial(reads.access.is_still_visible, request.caller, connection),
        is_erased=partial(reads.access.is_erased, connection),
    )
    with ExitStack() as exit_stack:
        exit_stack.enter_context(limits.hold_stream(request.caller.key_hash))
        run = partial(_serve, streams, subscriber, exit_stack.pop_all())
    return DirectResponse(200, [*HEADERS, CLOSING], run)


async def _serve(
    streams: ChangeStreams, subscriber: Subscriber, holding: ExitStack, receive: Receive, send: Send
) -> None:
    async def write(content: bytes) -> None:
        await send({"type": "http.response.body", "body": content, "more_body": True})

    async def wait_for_close() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with holding:
        await write(encode_keep_alive(subscriber.position.encode()))
        await streams.serve(subscriber, write, wait_for_close)


def _get_position(request: Request) -> FeedCursor | None:
    """Return the cursor that the request names. Raises `RequestError` (400) for a malformed `Last-Event-ID`."""
    last_id = request.get_header(b"last-event-id")
    if not last_id:
        cursor: FeedCursor | None = request.parameters.cursor
        return cursor
    try:
        return FeedCursor.decode(last_id)
    except ValueError:
        raise RequestError(400, "Last-Event-ID: not a cursor") from None


def _build_options(parameters: StreamParameters) -> StreamOptions:
    resources = frozenset(parameters.resources) if parameters.resources is not None else None
    return StreamOptions(resources, with_data=parameters.data)
