"""Reads the answer with a connection's data, whatever its size, from the snapshots on the disk."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

from contracts.events import ConnectionChanged
from data_api.addresses import build_connection_path
from data_api.asgi.errors import RequestError
from data_api.asgi.responses import JSON, Header, Pieces, Response, StreamedResponse
from data_api.data_cuts import MAX_DOCUMENT_BYTES, DataCut
from data_api.declared_resources import has_one_resource
from data_api.plain_answers import build_prefix, describe_missing_data, find_data
from data_api.snapshot_versions import NotReadYetError
from data_api.store.snapshot_files import CachedSnapshot, read_blocks, read_pieces
from data_api.tables.signals import wait_for_signals
from data_api.tables.state import KnownState
from data_api.use_cases.snapshot_cache import SMALL_BYTES, SnapshotCache

NO_STORE: Header = (b"cache-control", b"no-store")
MISSING_SECONDS = 5
"""What `Retry-After` says while the first sync has not succeeded."""
UPLOAD_SECONDS = 5.0
"""How long after a sync's success its snapshot may take to be heard of."""
_EDGE_BYTES = 16
"""How much of a document's beginning and end tells which part of it is `data`."""


@dataclass(frozen=True)
class OpenedData:
    """An answer with data that is ready to be read: `prefix`, then the file from `start` up to `end`, then `}`."""

    prefix: bytes
    file: IO[bytes]
    start: int
    end: int

    @property
    def length(self) -> int:
        """The length of the answer in bytes."""
        return len(self.prefix) + self.end - self.start + 1

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Yield the answer as JSON in one line, in pieces."""
        yield self.prefix
        async for piece in read_pieces(self.file, self.start, self.end):
            yield piece
        yield b"}"

    def respond(self) -> Response | StreamedResponse:
        """Return the response with this answer."""
        if self.end - self.start <= SMALL_BYTES:
            with self.file:
                self.file.seek(self.start)
                data = self.file.read(self.end - self.start)
            return Response(200, [JSON, NO_STORE], b"%b%b}" % (self.prefix, data))
        headers = [JSON, NO_STORE, (b"content-length", b"%d" % self.length)]
        return StreamedResponse(200, headers, Pieces(self.read(), self.file.close))


@dataclass(frozen=True)
class CutData:
    """An answer with data that is cut while it is read: `prefix`, then `pieces` of JSON made from `file`, then `}`."""

    prefix: bytes
    file: IO[bytes]
    pieces: Iterator[bytes]

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Yield the answer as JSON in one line, in pieces."""
        yield self.prefix
        # Parsing takes its time, which is not taken from other requests.
        while (piece := await asyncio.to_thread(next, self.pieces, None)) is not None:
            yield piece
        yield b"}"

    def respond(self) -> StreamedResponse:
        """Return the response with this answer. Its length is not known before it ends."""
        return StreamedResponse(200, [JSON, NO_STORE], Pieces(self.read(), self.file.close))


class DataReader:
    """Finds and opens connections' data. `now` returns the time in ms since 1970."""

    def __init__(self, state: KnownState, cache: SnapshotCache, now: Callable[[], int]) -> None:
        self._state = state
        self._cache = cache
        self._now = now

    async def load_snapshot(self, connection: ConnectionChanged) -> CachedSnapshot:
        """Return the connection's latest snapshot. Raises `RequestError` 503 that says why there is none yet."""
        try:
            return await self._cache.load(connection)
        except NotReadYetError:
            raise self._build_missing_error(connection) from None

    async def load_snapshot_since(self, connection: ConnectionChanged, sequence: int) -> CachedSnapshot:
        """Return the latest snapshot once it includes the change `sequence`, or after UPLOAD_SECONDS whatever it is.

        Raises the same errors as `load_snapshot`.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + UPLOAD_SECONDS
        while True:
            changed = self._state.watch(connection.connection)
            snapshot = await self.load_snapshot(connection)
            left = deadline - now()
            if snapshot.version.sequence >= sequence or left <= 0:
                return snapshot
            await wait_for_signals(changed, seconds=left)

    def check_cut(self, connection: ConnectionChanged, snapshot: CachedSnapshot, cut: DataCut | None) -> None:
        """Raise `RequestError` 400 where a snapshot cannot be cut so."""
        if cut is None or has_one_resource(connection.connection):
            return
        records = f"{build_connection_path(connection.connection)}/records/{{resource}}"
        if cut.limit is not None:
            raise RequestError(400, f"limit: the data are no rows but a whole document; {records} has rows")
        if snapshot.version.bytes > MAX_DOCUMENT_BYTES:
            size = f"{snapshot.version.bytes} bytes, at most {MAX_DOCUMENT_BYTES}"
            raise RequestError(400, f"fields: the document is too large to be cut ({size}); {records} takes fields too")

    def open(
        self,
        connection: ConnectionChanged,
        snapshot: CachedSnapshot,
        more: Mapping[str, Any] | None = None,
        cut: DataCut | None = None,
    ) -> OpenedData | CutData:
        """Open the answer with a snapshot, all of it or a cut that `check_cut` allows. `more` are fields to add.

        Raises `UnavailableError` if its file is gone.
        """
        size = snapshot.version.bytes
        is_small = size <= SMALL_BYTES
        file: IO[bytes] = BytesIO(self._cache.read(snapshot)) if is_small else self._cache.open(snapshot)
        head = file.read(_EDGE_BYTES)
        file.seek(max(size - _EDGE_BYTES, 0))
        tail = file.read(_EDGE_BYTES)
        has_rows = has_one_resource(connection.connection)
        start, end = find_data(size, head, tail, has_one_resource=has_rows)
        prefix = build_prefix(
            snapshot.version,
            self._state.syncs.get(connection.connection, connection.epoch),
            is_latest=self._cache.is_latest(snapshot, connection),
            now=self._now(),
            more=more or {},
        )
        if cut is None:
            return OpenedData(prefix, file, start, end)
        blocks = read_blocks(file, start, end)
        return CutData(prefix, file, cut.select_rows(blocks) if has_rows else cut.select_parts(blocks))

    def _build_missing_error(self, connection: ConnectionChanged) -> RequestError:
        summary = self._state.syncs.get(connection.connection, connection.epoch)
        fields: dict[str, Any] = {"update_in_progress": False}
        if summary is not None and summary.open_full_sync is not None:
            fields = {"update_in_progress": True, "sync_id": summary.open_full_sync}
        headers = {"Retry-After": str(MISSING_SECONDS)}
        return RequestError(503, describe_missing_data(connection, summary), headers=headers, **fields)
