"""Traces: one trace follows a webhook through every service that it concerns.

As with logging, there is one tracer for each process, and it is not passed around. Without an OTLP receiver nothing
here has an effect: no span is created, and OpenTelemetry's SDK is not even loaded.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from contracts.headers import TRACEPARENT
from messaging.spans import Attributes, Kind, NoSpan, Span

if TYPE_CHECKING:
    from messaging.otel import Tracer

__all__ = [
    "Span",
    "build_trace_headers",
    "export_traces",
    "extract_traceparents",
    "get_log_fields",
    "get_trace_id",
    "get_traceparent",
    "get_tracer",
    "record_status",
    "start_span",
    "trace_call",
]

MAX_TRACEPARENT_BYTES = 512
"""A longer `traceparent` header is malformed and ignored."""

_NO_SPAN: AbstractContextManager[Span] = nullcontext(NoSpan())
_NO_FIELDS: Mapping[str, str] = {}
_tracer: "Tracer | None" = None


@contextmanager
def export_traces(service: str, endpoint: str) -> Iterator[None]:
    """Export this process's spans to the OTLP/HTTP receiver at the base address `endpoint` while the context lasts.

    Nothing is exported when `endpoint` is empty. Enter it after any fork; the remaining spans are exported at the end.
    """
    global _tracer
    if not endpoint:
        yield
        return
    from messaging.otel import Tracer

    _tracer = tracer = Tracer(service, endpoint)
    try:
        yield
    finally:
        _tracer = None
        tracer.close()


def get_tracer() -> "Tracer | None":
    """Return the tracer, for spans whose work ends in a callback; None when no traces are exported."""
    return _tracer


def start_span(
    name: str, kind: Kind, attributes: Attributes, *, caused_by: Iterable[str] | None = None
) -> AbstractContextManager[Span]:
    """Return a context manager that puts a span around the work within it.

    Its parent is the current span. With `caused_by`, `traceparent` headers, its parent is the first well-formed one, or
    none, and the others become links.
    """
    if _tracer is None:
        return _NO_SPAN
    return _tracer.begin(name, kind, attributes, caused_by=caused_by)


def trace_call(method: str, url: str, **attributes: str) -> AbstractContextManager[Span]:
    """Return a context manager that puts a span around an HTTP call. Pass its response to `record_status`.

    Of the URL only the host is recorded, because the rest may hold tokens or personal data.
    """
    if _tracer is None:
        return _NO_SPAN
    request = {"http.request.method": method, "server.address": urlsplit(url).hostname or ""}
    return _tracer.begin(method, "client", {**request, **attributes})


def record_status(call: Span, status: int) -> None:
    """Record the HTTP status of the response to a call."""
    call.set_attribute("http.response.status_code", status)


def get_traceparent() -> str | None:
    """Return the current span as a `traceparent` header; None when there is none."""
    return None if _tracer is None else _tracer.get_traceparent()


def get_trace_id() -> str | None:
    """Return the id of the current trace; None when there is none."""
    return None if _tracer is None else _tracer.get_trace_id()


def get_log_fields() -> Mapping[str, str]:
    """Return the id of the current trace as a log field, for log lines that do not go through structlog."""
    return _NO_FIELDS if _tracer is None else _tracer.get_log_fields()


def build_trace_headers(traceparent: str | None) -> list[tuple[str, bytes]]:
    """Return the Kafka headers of a message that the span `traceparent` causes."""
    return [] if traceparent is None else [(TRACEPARENT, traceparent.encode())]


def extract_traceparents(messages_headers: Iterable[Iterable[tuple[str, bytes]]]) -> Iterator[str]:
    """Yield the `traceparent` headers among the headers of several messages. They may be malformed."""
    for headers in messages_headers:
        for name, value in headers:
            if name == TRACEPARENT and len(value) <= MAX_TRACEPARENT_BYTES:
                yield value.decode("ascii", "replace")
