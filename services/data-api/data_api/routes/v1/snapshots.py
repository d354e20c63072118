"""The snapshot of a connection: the bytes of the object in the bucket, from the local disk."""

import asyncio
from base64 import b64encode
from email.utils import formatdate
from functools import lru_cache, partial
from typing import IO
from uuid import UUID

from contracts.events import ConnectionChanged
from data_api.asgi.errors import RequestError
from data_api.asgi.operations import Answer, Operation
from data_api.asgi.requests import Request
from data_api.asgi.responses import JSON, AnyResponse, Header, Pieces, Response, StreamedResponse
from data_api.byte_ranges import ByteRange, UnsatisfiableRangeError, parse_range
from data_api.content_encodings import IDENTITY, choose_encoding
from data_api.entity_tags import is_none_match, is_range_valid
from data_api.models import SnapshotAnswer
from data_api.routes.v1.parameters import CONNECTION, NOT_FOUND, NOT_READY, NOT_SYNCED, SyncedParameters
from data_api.routes.v1.records import REVALIDATE
from data_api.snapshot_versions import NotReadYetError, SnapshotVersion
from data_api.store.snapshot_files import GZIP, ZSTD, CachedSnapshot, read_pieces
from data_api.tables.signals import wait_for_signals
from data_api.use_cases.connection_reads import RETRY_SECONDS, ConnectionReads
from data_api.use_cases.snapshot_cache import SMALL_BYTES, SnapshotCache
from messaging.errors import UnavailableError

OFFERED = (ZSTD, GZIP)
HEARD_SECONDS = 5.0
"""How long after a sync's success its snapshot may take to be heard of."""
VARY: Header = (b"vary", b"accept-encoding, authorization, x-api-key")
_HEADERS = {
    "ETag": "The SHA-256 of the document; of encoded forms with `-gzip` or `-zstd` behind it.",
    "Last-Modified": "When it was uploaded.",
    "Repr-Digest": "The SHA-256 of the whole document, as RFC 9530 writes it; not sent with encoded forms.",
    "Accept-Ranges": "Ranges of bytes of the form that is not encoded can be asked for.",
}


def build_snapshot_operation(reads: ConnectionReads, cache: SnapshotCache) -> Operation:
    """Return the operation of snapshots."""
    return Operation(
        "GET",
        "/v1/connections/{connection}/snapshot",
        "getSnapshot",
        "Get the document with all current records",
        partial(_get_snapshot, reads, cache),
        {
            200: Answer("The document, byte for byte as it is in the bucket.", SnapshotAnswer, headers=_HEADERS),
            206: Answer("The range of its bytes that was asked for.", headers=_HEADERS),
            304: Answer("The document is the one that `If-None-Match` names.", is_empty=True),
        },
        tag="snapshots",
        error_answers={**NOT_FOUND, **NOT_READY, **NOT_SYNCED, 416: "The document has none of these bytes."},
        path_parameters=(CONNECTION,),
        parameters=SyncedParameters,
        header_parameters={
            "If-None-Match": "Answer 304 if the document's ETag is among these.",
            "Range": "One range of bytes, such as `bytes=0-1023`.",
            "If-Range": "Answer the range only if the document still has this ETag or date, otherwise all of it.",
            "Accept-Encoding": "`gzip` and `zstd` are known.",
        },
    )


async def _get_snapshot(reads: ConnectionReads, cache: SnapshotCache, request: Request) -> AnyResponse:
    connection = reads.find(request.caller, request.path_parameters["connection"])
    snapshot = await _load(reads, cache, connection, request.parameters.after_sync)
    # A range is one of the form that is not encoded: what of another form a client has would not go with it.
    wanted = request.get_header(b"range")
    encoding = await _choose_encoding(cache, snapshot, request) if wanted is None else IDENTITY
    tag, last_modified, described = _describe(snapshot.version, encoding)
    headers = list(described)
    condition = request.get_header(b"if-none-match")
    if condition is not None and not is_none_match(condition, tag):
        return Response(304, headers)
    if wanted is not None and is_range_valid(request.get_header(b"if-range"), tag, last_modified):
        part = _parse_range(wanted, snapshot.version.bytes)
        if part is not None:
            headers.append((b"content-range", part.content_range.encode()))
            return _send_file(206, headers, cache.open(snapshot), part)
    size = snapshot.sizes[encoding]
    if size <= SMALL_BYTES:
        return Response(200, headers, cache.read(snapshot, encoding))
    return _send_file(200, headers, cache.open(snapshot, encoding), ByteRange(0, size, size))


async def _load(
    reads: ConnectionReads, cache: SnapshotCache, connection: ConnectionChanged, after_sync: UUID | None
) -> CachedSnapshot:
    """Return the latest snapshot; with `after_sync`, one that has the data of this sync.

    Raises `RequestError` 503 while no full sync has succeeded, and 409 if the sync's data does not come in time.
    """
    sync = await reads.wait_for_sync(connection, after_sync, uploaded=True) if after_sync is not None else None
    deadline = asyncio.get_running_loop().time() + HEARD_SECONDS
    while True:
        signal = reads.state.watch(connection.connection)
        try:
            snapshot = await cache.load(connection)
        except NotReadYetError:
            raise reads.build_unready_error(connection) from None
        if sync is None or sync.sequence is None or snapshot.version.sequence >= sync.sequence:
            return snapshot
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0 or not await wait_for_signals(signal, seconds=left):
            headers = {"Retry-After": str(RETRY_SECONDS)}
            raise RequestError(409, "the document with the data of this sync cannot be had yet", headers=headers)


async def _choose_encoding(cache: SnapshotCache, snapshot: CachedSnapshot, request: Request) -> str:
    """Return the encoding that the client prefers, and have it on the disk; none if there is no room for it."""
    encoding = choose_encoding(request.get_header(b"accept-encoding"), OFFERED)
    if encoding != IDENTITY:
        try:
            await cache.ensure_encoding(snapshot, encoding)
        except UnavailableError:
            return IDENTITY
    return encoding if encoding in snapshot.sizes else IDENTITY


@lru_cache(maxsize=4096)
def _describe(version: SnapshotVersion, encoding: str) -> tuple[str, str, tuple[Header, ...]]:
    """Return the entity tag, the date as HTTP writes it (empty if it is not known), and the headers of a snapshot."""
    tag = version.sha256 if encoding == IDENTITY else f"{version.sha256}-{encoding}"
    last_modified = formatdate(version.uploaded_at / 1000, usegmt=True) if version.uploaded_at is not None else ""
    headers = [JSON, (b"etag", b'"%b"' % tag.encode()), (b"accept-ranges", b"bytes"), REVALIDATE, VARY]
    if last_modified:
        headers.append((b"last-modified", last_modified.encode()))
    if encoding == IDENTITY:
        headers.append((b"repr-digest", b"sha-256=:%b:" % b64encode(bytes.fromhex(version.sha256))))
    else:
        headers.append((b"content-encoding", encoding.encode()))
    return tag, last_modified, tuple(headers)


def _parse_range(header: str, size: int) -> ByteRange | None:
    try:
        return parse_range(header, size)
    except UnsatisfiableRangeError:
        message = "the document has none of these bytes"
        raise RequestError(416, message, headers={"Content-Range": f"bytes */{size}"}) from None


def _send_file(status: int, headers: list[Header], file: IO[bytes], part: ByteRange) -> Response | StreamedResponse:
    """Return the response with a part of a file, which is closed in the end."""
    length = part.end - part.start
    if length <= SMALL_BYTES:
        with file:
            file.seek(part.start)
            return Response(status, headers, file.read(length))
    pieces = Pieces(read_pieces(file, part.start, part.end), file.close)
    return StreamedResponse(status, [*headers, (b"content-length", b"%d" % length)], pieces)
