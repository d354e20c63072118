"""Structured logs on standard output: one JSON object per line. The values of fields that may be secret are hidden.

Lines of libraries, which use Python's `logging`, are written in the same form. A library in trouble logs the same line
again and again, some thousand times while Kafka restarts. So of equal lines only the first is written. When an equal
line comes a minute or more later, it is written with the number of those that were left out.
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
"""The time after a line of a library was written in which further equal lines are only counted."""
MAX_TEMPLATES = 1_000
"""The number of different lines of libraries that are remembered. When it is reached, all are forgotten."""
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
    """When a line was last written, in seconds of a monotonic clock, and how many equal lines were left out since."""

    written_at: float
    count: int = 0


class LibraryLogHandler(logging.Handler):
    """Writes the log lines of libraries as structured lines, and of equal lines only one in REPEAT_SECONDS.

    Two lines are equal when their logger, level, template and exception (its class and place) are equal. For example,
    lines with the template `connect to %s failed` are equal for all hosts. `elapsed` returns the seconds of a monotonic
    clock.
    """

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._elapsed = elapsed
        self.repetitions: dict[tuple[str, int, str], Repetition] = {}
        """When equal lines were last written, by their logger, level, and template with exception."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line of a library. If an equal one was written less than REPEAT_SECONDS ago, only count it."""
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
        """Count a line. Return None if it must be left out because an equal one was written a short time ago.

        Otherwise return how many equal lines were left out since the last one was written.
        """
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
    """Return the class of the exception of a log line and the place where it was raised, as one text.

    Lines with different such texts count as different. The text is empty for a line without an exception.
    """
    kind, _, traceback = record.exc_info or (None, None, None)
    if kind is None:
        return ""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else ""
    return f" {kind.__name__} {place}"


def _format_message(record: logging.LogRecord) -> str:
    """Return the text of a log line; if its arguments do not fit its template, the template alone.

    Characters that cannot be encoded as UTF-8 are replaced.
    """
    try:
        message = record.getMessage()
    except (TypeError, ValueError, LookupError, AttributeError):
        message = f"{record.msg}"
    return message.encode(errors="replace").decode()


def configure_logging(service: str) -> None:
    """Configure the logs of this process. Every line has the field `service`, and the id of the current trace if any.

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
