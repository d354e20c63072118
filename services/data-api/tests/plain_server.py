"""The plain routes on a real port, with a real bucket, and a gateway that answers over HTTP as the real one does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse, Response

from api_builders import ACME, KEY, NOW_MS, OTHER, make_access, make_connection, make_operator_key, make_state
from bucket_fixture import CountedBucket, make_upload
from contracts.events import SyncChanged
from data_api.applications import DataApiParts, create_public_application
from data_api.asgi.access_log import AccessLog
from data_api.client.gateway import GatewayInternalApi
from data_api.key_limits import KeyLimits
from data_api.store.databases import ReadDatabases
from data_api.store.snapshot_files import SnapshotFiles
from data_api.use_cases.change_streams import ChangeStreams
from data_api.use_cases.connection_reads import ConnectionReads
from data_api.use_cases.key_uses import KeyUseReporter
from data_api.use_cases.record_counts import RecordCounts
from data_api.use_cases.refreshes import Refreshes
from data_api.use_cases.snapshot_cache import SnapshotCache
from data_api.use_cases.webhooks.service import EndpointService
from stream_server import serve_application

GATEWAY_KEY = "g" * 32


class FakeGateway:
    """Answers as the gateway's internal API does: one open full sync for each connection, until `finish`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.open: dict[str, UUID] = {}
        self.used: dict[str, int] = {}
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.app = FastAPI()
        self.app.post("/internal/connections/{connection:path}/refresh")(self.refresh)
        self.app.post("/internal/keys/used")(self.note_used)

    async def refresh(self, connection: str, body: dict[str, Any], authorization: str = Header()) -> JSONResponse:
        if authorization != f"Bearer {GATEWAY_KEY}":
            return JSONResponse({}, 401)
        self.requests.append((connection, body))
        if self.refusal is not None:
            return JSONResponse(self.refusal[1], self.refusal[0])
        status = "in_progress" if connection in self.open else "started"
        sync_id = self.open.setdefault(connection, uuid4())
        return JSONResponse({"sync_id": str(sync_id), "status": status})

    async def note_used(self, body: dict[str, Any]) -> Response:
        self.used |= body["used"]
        return Response(status_code=204)

    def finish(self, connection: str = ACME) -> None:
        """End the open full sync of a connection."""
        del self.open[connection]


class PlainServer:
    """A data API with two connections, of which a client has the key of `ACME`.

    Without `databases` it can answer no request for records or changes.
    """

    def __init__(
        self,
        bucket: CountedBucket,
        folder: Path,
        gateway_url: str,
        databases: ReadDatabases | None = None,
        **options: Any,
    ) -> None:
        self.bucket = bucket
        self.now = NOW_MS
        self.state = make_state(make_connection(), make_connection(OTHER, object_key="1029/page_data.json"))
        self.access = make_access(self.state, make_operator_key())
        self.files = SnapshotFiles(folder, 10**9)
        self.files.load()
        self.cache = SnapshotCache(self.state, self.files, bucket, self._load_version)
        self.internal_http = httpx.AsyncClient()
        gateway = GatewayInternalApi(
            self.internal_http, gateway_url, key=GATEWAY_KEY, public_url="https://sync.example/"
        )
        self.limits = KeyLimits(100_000, clock=lambda: 0.0)
        self.uses = KeyUseReporter(gateway.report_use, now=lambda: self.now)
        read_databases: ReadDatabases = databases  # type: ignore[assignment] # the plain routes read none
        endpoints: EndpointService = None  # type: ignore[assignment] # and have none
        self.app = create_public_application(
            DataApiParts(
                state=self.state,
                access=self.access,
                limits=self.limits,
                cache=self.cache,
                refreshes=Refreshes(gateway.request_refresh, self.limits, self.state.syncs),
                reads=ConnectionReads(self.state, self.access, read_databases),
                record_counts=RecordCounts(read_databases),
                streams=ChangeStreams(read_databases, self.state),
                endpoints=endpoints,
                checks={"topics": self.check_topics},
                note_use=self.uses.note,
                access_log=AccessLog("data-api", lambda _: None),
                count_request=lambda *_: None,
                now=lambda: self.now,
                **options,
            )
        )
        self.topics_error: str | None = None
        self.port = 0
        self.http = httpx.AsyncClient(timeout=30)

    async def check_topics(self) -> str | None:
        return self.topics_error

    async def request(
        self, method: str, path: str, *, key: str | None = KEY, headers: dict[str, str] | None = None, **query: Any
    ) -> httpx.Response:
        """Send a request with a key."""
        given = {"X-API-Key": key} if key is not None else {}
        address = f"http://127.0.0.1:{self.port}{path}"
        return await self.http.request(method, address, params=query or None, headers={**given, **(headers or {})})

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """Send a GET request with a key."""
        return await self.request("GET", path, **options)

    async def upload(self, document: bytes, sequence: int = 1, connection: str = ACME, **fields: Any) -> None:
        """Put a document into the bucket, and tell the process so, as Kafka does."""
        state = self.state.connections.get(connection)
        assert state is not None and state.object_key is not None
        await self.bucket.put(state.object_key, document)
        self.state.apply_stored(make_upload(connection, state.object_key, document, sequence, **fields))

    def apply_syncs(self, event: SyncChanged) -> None:
        """Tell the process the states of a connection's syncs, as Kafka does."""
        self.state.apply_syncs(event, event.model_dump_json().encode())

    async def _load_version(self, connection: str) -> None:
        return None


@asynccontextmanager
async def serve_plain(
    bucket: CountedBucket, folder: Path, **options: Any
) -> AsyncIterator[tuple[PlainServer, FakeGateway]]:
    """Serve the data API and a gateway."""
    gateway = FakeGateway()
    async with serve_application(gateway.app) as gateway_port:
        server = PlainServer(bucket, folder, f"http://127.0.0.1:{gateway_port}", **options)
        async with server.http, server.internal_http, serve_application(server.app) as server.port:
            yield server, gateway
