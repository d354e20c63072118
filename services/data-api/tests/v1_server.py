"""The operations of `/v1` on a real port and a real Postgres, with keys in memory."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from api_builders import (
    ACME,
    KEY,
    NOW_MS,
    OTHER,
    make_access,
    make_connection,
    make_key,
    make_keys,
    make_operator_key,
    make_state,
)
from contracts.events import DataStored, SyncChanged, Upload
from data_api.access import ApiCaller
from data_api.asgi.access_log import AccessLog
from data_api.asgi.cors import Cors
from data_api.asgi.dispatcher import OperationDispatcher
from data_api.client.gateway import RefreshRefusedError, RequestedSync
from data_api.key_limits import KeyLimits
from data_api.routes.v1.change_stream import build_stream_operation
from data_api.routes.v1.changes import build_change_operations
from data_api.routes.v1.connections import build_connection_operations
from data_api.routes.v1.records import build_record_operations
from data_api.routes.v1.snapshots import build_snapshot_operation
from data_api.routes.v1.syncs import build_sync_operations
from data_api.store.databases import ReadDatabases
from data_api.store.heads import load_head
from data_api.store.snapshot_files import SnapshotFiles
from data_api.store.snapshots import load_version
from data_api.tables.state import KnownState
from data_api.use_cases.change_streams import ChangeStreams
from data_api.use_cases.connection_reads import ConnectionReads
from data_api.use_cases.record_counts import RecordCounts
from data_api.use_cases.refreshes import Refreshes
from data_api.use_cases.snapshot_cache import SnapshotCache
from messaging.errors import UnavailableError
from published_feed import UPLOADED_AT, PublishedFeed
from stream_server import serve_application

OTHER_KEY = "msk_zyxwvutsrqponmlkjihgfedcba987654"
ROOT = f"/v1/connections/{quote(ACME, safe='')}"
OTHER_ROOT = f"/v1/connections/{quote(OTHER, safe='')}"


def list_lookup_fields(connection: str, resource: str) -> Sequence[str]:
    """The lookup fields of the resources of the connections in these tests."""
    return ("handle", "sku") if resource == "products" else ()


class MemoryBucket:
    """Objects by key. While `is_away`, none can be read."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.is_away = False

    async def fetch(self, key: str, file: IO[bytes]) -> str:
        if self.is_away:
            raise UnavailableError("bucket: away")
        file.write(self.objects[key])
        return sha256(self.objects[key]).hexdigest()


class MemoryGateway:
    """Starts a sync for each request, and remembers what was asked for."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.answer: RequestedSync | RefreshRefusedError = RequestedSync(sync_id=uuid4(), status="started")

    async def request_refresh(
        self, connection: str, records: Mapping[str, Sequence[str]] | None, caller: ApiCaller
    ) -> RequestedSync:
        self.requests.append((connection, records))
        if isinstance(self.answer, RefreshRefusedError):
            raise self.answer
        return self.answer


class V1:
    """A server with the connections of two merchants, each with a key, and a client that has the key of `ACME`."""

    def __init__(self, feed: PublishedFeed, databases: ReadDatabases, folder: Path) -> None:
        self.feed = feed
        self.databases = databases
        self.state: KnownState = make_state(make_connection(), make_connection(OTHER))
        self.state.apply_keys(make_keys(make_key(OTHER_KEY), connection=OTHER))
        self.access = make_access(self.state, make_operator_key())
        self.reads = ConnectionReads(self.state, self.access, databases)
        self.streams = ChangeStreams(databases, self.state)
        self.limits = KeyLimits(100_000)
        self.bucket = MemoryBucket()
        self.cache = SnapshotCache(
            self.state, SnapshotFiles(folder, 10**9), self.bucket, partial(load_version, databases)
        )
        self.gateway = MemoryGateway()
        self.refreshes = Refreshes(self.gateway.request_refresh, self.limits, self.state.syncs)
        self.dispatcher = OperationDispatcher(
            [
                *build_connection_operations(
                    self.reads, RecordCounts(databases), lambda: NOW_MS, "https://connect.example"
                ),
                build_snapshot_operation(self.reads, self.cache),
                *build_sync_operations(self.reads, self.refreshes),
                *build_record_operations(self.reads, list_lookup_fields),
                *build_change_operations(self.reads),
                build_stream_operation(self.reads, self.streams, self.limits),
            ],
            self.access,
            self.limits,
            Cors(()),
            access_log=AccessLog("data-api", lambda _: None),
            count_request=lambda *_: None,
            on_use=lambda _: None,
        )
        self.port = 0
        self.http = httpx.AsyncClient()

    keyed: Mapping[str, str] = {"X-API-Key": KEY}

    async def upload(self, document: bytes, sequence: int = 1) -> None:
        """Put a document into the bucket, and tell the process, as the spaces-writer does."""
        connection = self.state.connections.get(ACME)
        assert connection is not None and connection.object_key is not None
        self.bucket.objects[connection.object_key] = document
        await self.feed.upload(document, sequence)
        upload = Upload(
            key=connection.object_key,
            outcome="uploaded",
            sequence=sequence,
            sha256=sha256(document).hexdigest(),
            bytes=len(document),
            records=1,
            stored_at=int(UPLOADED_AT.timestamp() * 1000),
        )
        self.state.apply_stored(DataStored(connection=ACME, epoch=1, sequence=sequence, upload=upload))

    def address(self, path: str) -> str:
        """The address of a path below the connection of the first merchant, or of a whole path."""
        return f"http://127.0.0.1:{self.port}{path if path.startswith('/v1') else ROOT + path}"

    async def get(
        self, path: str, *, key: str = KEY, headers: Mapping[str, str] | None = None, **query: Any
    ) -> httpx.Response:
        """Get a path below the connection of the first merchant, or a whole path."""
        return await self.http.get(
            self.address(path), params=query or None, headers={"X-API-Key": key, **(headers or {})}
        )

    async def post(self, path: str, body: Any, *, key: str = KEY) -> httpx.Response:
        """Post JSON to a path below the connection of the first merchant."""
        return await self.http.post(self.address(path), json=body, headers={"X-API-Key": key})

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
async def serve_v1(feed: PublishedFeed, databases: ReadDatabases, folder: Path) -> AsyncIterator[V1]:
    """Serve the operations of `/v1` on the views of `feed`."""
    v1 = V1(feed, databases, folder)
    async with v1.http, serve_application(v1.dispatcher) as port:
        v1.port = port
        yield v1
        await v1.streams.close()
