"""Structured logs on standard output: one JSON object per line. The values of fields that may be secret are hidden.

Lines of libraries, which use Python's `logging`, go the same way. A library in trouble repeats itself, some thousand
times while Kafka restarts. So of equal lines only the first is written, and, after a minute, a later
one with the count of the others.
"""

import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from messaging import tracing

REPEAT_SECONDS = 60.0
"""How long further lines of a library that are equal to one that was written are only counted."""
MAX_TEMPLATES = 1_000
"""How many different lines of libraries are remembered."""
log = structlog.get_logger()
_SECRET_NAMES = ("token", "secret", "password", "code", "state", "authorization", "cookie")


def _hide_secrets(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in line:
        if any(part in name.lower() for part in _SECRET_NAMES) and name not in {"status_code"}:
            line[name] = "[left out]"
    return line


def _add_trace_id(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (trace_id := tracing.get_trace_id()) is not None:
        line["trace_id"] = trace_id
    return line


@dataclass
class Repetition:
    """When a line was last written (s), and how many equal ones were left out since."""

    written_at: float
    count: int = 0


class LibraryLogHandler(logging.Handler):
    """Writes the lines of libraries as structured lines, and repeated ones once in REPEAT_SECONDS.

    Lines are equal when their logger, level, template and the place of their exception are: `connect to %s failed` for
    any host. `elapsed` returns
    the seconds of a monotonic clock.
    """

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._elapsed = elapsed
        self.repetitions: dict[tuple[str, int, str], Repetition] = {}
        """When equal lines were last written, by logger, level and template."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write or count a line."""
        repeated = self._count(record)
        if repeated is None:
            return
        fields: dict[str, Any] = {"logger": record.name}
        if repeated:
            fields["repeated"] = repeated
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write(_format_message(record), **fields)

    def _count(self, record: logging.LogRecord) -> int | None:
        """Return how many equal lines were left out since the last that was written; None to leave this one out."""
        key, now = (record.name, record.levelno, f"{record.msg}{_find_origin(record)}"), self._elapsed()
        seen = self.repetitions.get(key)
        if seen is not None and now - seen.written_at < REPEAT_SECONDS:
            seen.count += 1
            return None
        if len(self.repetitions) >= MAX_TEMPLATES:
            self.repetitions.clear()
        self.repetitions[key] = Repetition(now)
        return seen.count if seen else 0


def _find_origin(record: logging.LogRecord) -> str:
    """Return the class of a line's exception and where it was raised: different errors count as different lines.

    It is empty for a line without an exception.
    """
    kind, _, traceback = record.exc_info or (None, None, None)
    if kind is None:
        return ""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else ""
    return f" {kind.__name__} {place}"


def _format_message(record: logging.LogRecord) -> str:
    """Return the text of a line; its template alone where its arguments do not fit. It can be encoded as UTF-8."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError, LookupError, AttributeError):
        message = f"{record.msg}"
    return message.encode(errors="replace").decode()


def configure_logging(service: str) -> None:
    """Configure the logs of this process. Every line has the name `service`, and the id of the current trace, if any.

    Lines that are logged while a Kafka message is handled also have the message's connection and sync id.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_trace_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _hide_secrets,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda line, **_: orjson.dumps(line, default=str).decode()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryLogHandler()], force=True)
    for name in ("aiokafka", "httpx", "uvicorn.access", "botocore", "aiobotocore"):
        logging.getLogger(name).setLevel(logging.ERROR)
