"""Creates trace spans. One trace covers the work of all services that follows from one webhook.

Each process has one tracer, which this module holds, so callers do not pass it around. If no OTLP receiver is
configured, the functions of this module do nothing: no span is created and OpenTelemetry's SDK is not imported.
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
"""The greatest size of a `traceparent` header. A larger one is malformed and ignored."""

_NO_SPAN: AbstractContextManager[Span] = nullcontext(NoSpan())
_NO_FIELDS: Mapping[str, str] = {}
_tracer: "Tracer | None" = None


@contextmanager
def export_traces(service: str, endpoint: str) -> Iterator[None]:
    """Export this process's spans to the OTLP/HTTP receiver at the base URL `endpoint` while the context lasts.

    If `endpoint` is empty, no spans are exported. A process that forks must enter the context after the fork. The
    remaining spans are exported when the context ends.
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
    """Return the tracer of this process; None when no traces are exported.

    Use the tracer for a span that ends in a callback. For other spans, `start_span` of this module is enough.
    """
    return _tracer


def start_span(
    name: str, kind: Kind, attributes: Attributes, *, caused_by: Iterable[str] | None = None
) -> AbstractContextManager[Span]:
    """Return a context manager that puts a trace span around the work within it.

    When `caused_by` is None, the parent of the span is the current span. Otherwise `caused_by` holds values of
    `traceparent` headers. The span in the first well-formed value becomes the parent, and the spans in the other values
    are linked. If no value is well-formed, the span has no parent.
    """
    if _tracer is None:
        return _NO_SPAN
    return _tracer.start_span(name, kind, attributes, caused_by=caused_by)


def trace_call(method: str, url: str, **attributes: str) -> AbstractContextManager[Span]:
    """Return a context manager that puts a trace span around an HTTP call. `method` is the HTTP method.

    The span also gets `attributes`. Pass the status of the response to `record_status`. Only the host of `url` is
    recorded, because the rest may hold tokens or personal data.
    """
    if _tracer is None:
        return _NO_SPAN
    request = {"http.request.method": method, "server.address": urlsplit(url).hostname or ""}
    return _tracer.start_span(method, "client", {**request, **attributes})


def record_status(call: Span, status: int) -> None:
    """Record the HTTP `status` of a response as an attribute of the span `call`."""
    call.set_attribute("http.response.status_code", status)


def get_traceparent() -> str | None:
    """Return the current span as the value of a `traceparent` header; None when there is no current span."""
    return None if _tracer is None else _tracer.get_traceparent()


def get_trace_id() -> str | None:
    """Return the id of the current trace; None when there is no current trace."""
    return None if _tracer is None else _tracer.get_trace_id()


def get_log_fields() -> Mapping[str, str]:
    """Return the id of the current trace as the log field `trace_id`; an empty mapping when there is no trace.

    It is for log lines that do not go through structlog.
    """
    return _NO_FIELDS if _tracer is None else _tracer.get_log_fields()


def build_trace_headers(traceparent: str | None) -> list[tuple[str, bytes]]:
    """Return the trace headers of a Kafka message: one for the span that causes the message, none for None.

    `traceparent` is this span as the value of a `traceparent` header.
    """
    return [] if traceparent is None else [(TRACEPARENT, traceparent.encode())]


def extract_traceparents(messages_headers: Iterable[Iterable[tuple[str, bytes]]]) -> Iterator[str]:
    """Yield the values of all `traceparent` headers of several messages. A value may be malformed.

    Values of more than MAX_TRACEPARENT_BYTES are left out.
    """
    for headers in messages_headers:
        for name, value in headers:
            if name == TRACEPARENT and len(value) <= MAX_TRACEPARENT_BYTES:
                yield value.decode("ascii", "replace")
