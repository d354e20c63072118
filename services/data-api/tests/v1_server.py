"""The operations of `/v1` on a real port and a real Postgres, with keys in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from api_builders import (
    ACME,
    KEY,
    OTHER,
    make_access,
    make_connection,
    make_key,
    make_keys,
    make_operator_key,
    make_state,
)
from contracts.events import SyncChanged
from data_api.asgi.cors import Cors
from data_api.asgi.dispatcher import OperationDispatcher
from data_api.key_limits import KeyLimits
from data_api.routes.v1.change_stream import build_stream_operation
from data_api.routes.v1.changes import build_change_operations
from data_api.routes.v1.records import build_record_operations
from data_api.store.databases import ReadDatabases
from data_api.store.heads import load_head
from data_api.tables.state import KnownState
from data_api.use_cases.change_streams import ChangeStreams
from data_api.use_cases.connection_reads import ConnectionReads
from published_feed import PublishedFeed
from stream_server import serve_application

OTHER_KEY = "msk_zyxwvutsrqponmlkjihgfedcba987654"
ROOT = f"/v1/connections/{quote(ACME, safe='')}"
OTHER_ROOT = f"/v1/connections/{quote(OTHER, safe='')}"


class V1:
    """A server with the connections of two merchants, each with a key, and a client that has the key of `ACME`."""

    def __init__(self, feed: PublishedFeed, databases: ReadDatabases) -> None:
        self.feed = feed
        self.databases = databases
        self.state: KnownState = make_state(make_connection(), make_connection(OTHER))
        self.state.apply_keys(make_keys(make_key(OTHER_KEY), connection=OTHER))
        self.access = make_access(self.state, make_operator_key())
        self.reads = ConnectionReads(self.state, self.access, databases)
        self.streams = ChangeStreams(databases, self.state)
        self.limits = KeyLimits(100_000)
        self.dispatcher = OperationDispatcher(
            [
                *build_record_operations(self.reads),
                *build_change_operations(self.reads),
                build_stream_operation(self.reads, self.streams, self.limits),
            ],
            self.access,
            self.limits,
            Cors(()),
            count_request=lambda *_: None,
            on_use=lambda _: None,
        )
        self.port = 0
        self.http = httpx.AsyncClient()

    async def get(
        self, path: str, *, key: str = KEY, headers: dict[str, str] | None = None, **query: Any
    ) -> httpx.Response:
        """Get a path below the connection of the first merchant, or a whole path."""
        address = f"http://127.0.0.1:{self.port}{path if path.startswith('/v1') else ROOT + path}"
        return await self.http.get(address, params=query or None, headers={"X-API-Key": key, **(headers or {})})

    def revoke(self, connection: str) -> None:
        """Revoke all keys of a connection."""
        self.state.apply_keys(make_keys(connection=connection, revision=2))

    def apply_syncs(self, event: SyncChanged) -> None:
        """Tell the process the states of a connection's syncs, as Kafka does."""
        self.state.apply_syncs(event, event.model_dump_json().encode())

    async def notice(self, connection: str = ACME) -> None:
        """Tell the process that there is something new, as Kafka does."""
        head = await load_head(self.databases, connection)
        assert head is not None
        self.state.apply_feed_head(connection, head.cursor)


@asynccontextmanager
async def serve_v1(feed: PublishedFeed, databases: ReadDatabases) -> AsyncIterator[V1]:
    """Serve the operations of `/v1` on the views of `feed`."""
    v1 = V1(feed, databases)
    async with v1.http, serve_application(v1.dispatcher) as port:
        v1.port = port
        yield v1
        await v1.streams.close()
