"""The stream of an export: rows are read as they are sent, and faults stand in, cut or end the bytes."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.phpmyadmin.database import ResultSet
from sandbox.phpmyadmin.exports import CsvWriter, JsonWriter
from sandbox.phpmyadmin.faults import Faults
from sandbox.phpmyadmin.rendering import TIMEOUT_PAGE, WARNING
from sandbox.phpmyadmin.statistics import Statistics

_ROWS_AT_ONCE = 500


class ExportResponse(Response):
    """A response that sends an export, and then calls `close`, also when the client has gone.

    With `breaks`, the HTTP connection is closed in mid-answer.
    """

    def __init__(
        self, pieces: AsyncIterator[bytes], headers: Mapping[str, str], close: Callable[[], Awaitable[None]], *,
        breaks: bool,
    ) -> None:  # fmt: skip
        super().__init__(None, headers=headers)
        del self.headers["content-length"]
        self._pieces = pieces
        self._close = close
        self._breaks = breaks

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send_pieces(send))
        leaving = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._close()
        if not sending.cancelled():
            sending.result()

    async def _send_pieces(self, send: Send) -> None:
        """Send all pieces. Without the last, empty piece the server closes the connection."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if not self._breaks:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def read_rows(
    result: ResultSet, writer: JsonWriter | CsvWriter, faults: Faults, statistics: Statistics
) -> AsyncIterator[bytes]:
    """Yield the bytes of all rows. A lost connection to the database looks like the end of the rows."""
    last = 0 if faults.no_rows else faults.lose_connection_after_rows
    read, at_once = 0, 1 if faults.seconds_per_row else _ROWS_AT_ONCE
    while last is None or read < last:
        if read == faults.html_after_rows:
            yield TIMEOUT_PAGE
        stops = (stop - read for stop in (last, faults.html_after_rows) if stop is not None and stop > read)
        try:
            rows = await asyncio.to_thread(result.fetch_rows, min((at_once, *stops)))
        except sqlite3.OperationalError:
            return
        if not rows:
            break
        read += len(rows)
        statistics.rows += len(rows)
        await asyncio.sleep(faults.seconds_per_row)
        yield writer.write_rows(rows)
    yield writer.write_rows([])


async def apply_faults(pieces: AsyncIterator[bytes], faults: Faults, statistics: Statistics) -> AsyncIterator[bytes]:
    """Yield the pieces of an export with a warning before them, or cut."""
    if faults.warning:
        yield WARNING
    sent = 0
    async for piece in pieces:
        if faults.cut_after_bytes is not None and sent + len(piece) >= faults.cut_after_bytes:
            yield piece[: faults.cut_after_bytes - sent]
            return
        sent += len(piece)
        statistics.bytes += len(piece)
        yield piece
