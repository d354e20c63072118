"""Creates and exports trace spans with OpenTelemetry's SDK. Only processes that export traces import this module."""

from collections.abc import Callable, Iterable
from contextvars import Token
from importlib.metadata import version
from typing import Self, TypeVar

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts.headers import TRACEPARENT
from messaging.spans import Attributes, Kind

MAX_LINKS = 32
"""The greatest number of links that a span has to other spans. Further causes are ignored."""
EXPORT_TIMEOUT_SECONDS = 5
T = TypeVar("T")

_extract_context = TraceContextTextMapPropagator().extract


class OpenSpan:
    """A started trace span. Use it as a context manager around the work, or call `end` when the work is done."""

    def __init__(self, span: trace.Span, base: Context) -> None:
        self._span = span
        self._context = trace.set_span_in_context(span, base)
        self._token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._token = context.attach(self._context)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if self._token is not None:
            context.detach(self._token)
        if isinstance(error, Exception):
            self.record_error(error)
        self.end()

    @property
    def traceparent(self) -> str:
        """The value of the `traceparent` header of messages and calls that this span causes."""
        return _format_traceparent(self._span.get_span_context())

    def set_attribute(self, name: str, value: str | int) -> None:
        """Set an attribute of the span."""
        self._span.set_attribute(name, value)

    def record_error(self, error: Exception) -> None:
        """Mark the span as failed. Only the type of the error is recorded, because its text may hold personal data."""
        self.set_attribute("error.type", type(error).__name__)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """End the span."""
        self._span.end()

    def run(self, work: Callable[[], T]) -> T:
        """Call `work` with this span as the current span, and return its result. The span does not end."""
        token = context.attach(self._context)
        try:
            return work()
        finally:
            context.detach(token)


class Tracer:
    """Creates the trace spans of one process of `service`. A thread exports them with `exporter`.

    If `exporter` is None, they are sent to the OTLP/HTTP receiver at the base URL `endpoint`.
    """

    def __init__(self, service: str, endpoint: str, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create({"service.name": service, "service.version": version("merchant-sync")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = exporter or OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("merchant-sync")

    def close(self) -> None:
        """Export the remaining spans. If the receiver does not answer, they are lost after a few seconds."""
        self._provider.shutdown()

    def start_span(
        self, name: str, kind: Kind, attributes: Attributes, *, caused_by: Iterable[str] | None = None
    ) -> OpenSpan:
        """Start a span and return it. When `caused_by` is None, the parent of the span is the current span.

        Otherwise `caused_by` holds values of `traceparent` headers. The span in the first well-formed value becomes the
        parent, and the spans in the other values are linked. If no value is well-formed, the span has no parent.
        """
        base, links = (context.get_current(), []) if caused_by is None else _extract_causes(caused_by)
        span = self._tracer.start_span(
            name, base, SpanKind[kind.upper()], attributes, links, record_exception=False, set_status_on_exception=False
        )
        return OpenSpan(span, base)

    def get_traceparent(self) -> str | None:
        """Return the current span as the value of a `traceparent` header; None when there is no current span."""
        current = _get_current_span()
        return None if current is None else _format_traceparent(current)

    def get_trace_id(self) -> str | None:
        """Return the id of the trace of the current span; None when there is no current span."""
        current = _get_current_span()
        return None if current is None else trace.format_trace_id(current.trace_id)

    def get_log_fields(self) -> dict[str, str]:
        """Return the id of the current span's trace as the log field `trace_id`; an empty dict if there is no span."""
        trace_id = self.get_trace_id()
        return {} if trace_id is None else {"trace_id": trace_id}


def _get_current_span() -> SpanContext | None:
    current = trace.get_current_span().get_span_context()
    return current if current.is_valid else None


def _format_traceparent(span: SpanContext) -> str:
    ids = f"{trace.format_trace_id(span.trace_id)}-{trace.format_span_id(span.span_id)}"
    return f"00-{ids}-{span.trace_flags:02x}"


def _extract_causes(caused_by: Iterable[str]) -> tuple[Context, list[Link]]:
    """Return the context for a new span's parent, and links to the other spans that cause the new span.

    `caused_by` holds values of `traceparent` headers. The span in the first well-formed value is the parent; the spans
    in the others are linked, up to MAX_LINKS. If no value is well-formed, the context is empty.
    """
    base, causes = Context(), dict[int, SpanContext]()
    for traceparent in caused_by:
        extracted = _extract_context({TRACEPARENT: traceparent}, Context())
        cause = trace.get_current_span(extracted).get_span_context()
        if not cause.is_valid:
            continue
        base = base if causes else extracted
        causes.setdefault(cause.span_id, cause)
        if len(causes) > MAX_LINKS:
            break
    return base, [Link(cause) for cause in list(causes.values())[1:]]
