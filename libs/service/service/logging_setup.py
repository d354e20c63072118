"""Structured logs on standard output: one JSON object per line. The values of fields that may be secret are hidden."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from messaging import tracing

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
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    for name in ("aiokafka", "httpx", "uvicorn.access", "botocore", "aiobotocore"):
        logging.getLogger(name).setLevel(logging.ERROR)
