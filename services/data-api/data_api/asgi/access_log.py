"""Logs each request in one line. The lines of one second are written together, because a line costs a system call."""

import asyncio
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

WRITE_SECONDS = 1.0
"""How long a line may wait. A process that is killed loses those that wait."""
MAX_LINES = 500
"""How many lines may wait."""


class _Line(NamedTuple):
    at: float
    method: str
    path: str | None
    status: int
    seconds: float
    key: str | None


class AccessLog:
    """Collects lines in the form of all others of the service's log, and writes them with `write`."""

    def __init__(self, service: str, write: Callable[[str], object] = sys.stdout.write) -> None:
        self._service = service
        self._write = write
        self._lines: list[_Line] = []

    def add(self, method: str, path: str | None, status: int, seconds: float, key: str | None) -> None:
        """Log a request. `path` is the template of its path, because an address may hold what is nobody's business.

        `key` is what may be shown of its key.
        """
        if not self._lines:
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self.flush)
        self._lines.append(_Line(time.time(), method, path, status, seconds, key))
        if len(self._lines) >= MAX_LINES:
            self.flush()

    def flush(self) -> None:
        """Write the lines that wait."""
        lines, self._lines = self._lines, []
        if lines:
            self._write("".join(map(self._format, lines)))

    def _format(self, line: _Line) -> str:
        fields = {
            "method": line.method,
            "path": line.path,
            "status": line.status,
            "ms": round(line.seconds * 1000, 1),
            "key": line.key,
            "event": "request",
            "service": self._service,
            "level": "info",
            "timestamp": datetime.fromtimestamp(line.at, UTC),
        }
        return orjson.dumps(fields, option=orjson.OPT_UTC_Z).decode() + "\n"
