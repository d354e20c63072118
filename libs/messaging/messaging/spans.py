"""Spans by OpenTelemetry's own library. Imported only where they are exported."""

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
from messaging.tracing import Attributes, Kind

MOST_LINKS = 32
"""To more causes than these no span is linked."""
EXPORT_SECONDS = 5
T = TypeVar("T")

_READ = TraceContextTextMapPropagator().extract


class OpenSpan:
    """A span that has begun: a context around its work, or to be ended by hand."""

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
        """This span as a header of what it says."""
        return _header(self._span.get_span_context())

    def set_attribute(self, name: str, value: str | int) -> None:
        """Say one thing more of it."""
        self._span.set_attribute(name, value)

    def record_error(self, error: Exception) -> None:
        """It has failed. Only the error's type is said: its text may hold anything."""
        self.set_attribute("error.type", type(error).__name__)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """It is done."""
        self._span.end()

    def run(self, work: Callable[[], T]) -> T:
        """Do a part of its work, which ends it only where it says so."""
        token = context.attach(self._context)
        try:
            return work()
        finally:
            context.detach(token)


class Tracer:
    """The spans of one process of `service`, sent by a thread of their own to the receiver at `endpoint`."""

    def __init__(self, service: str, endpoint: str, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create({"service.name": service, "service.version": version("merchant-sync")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = exporter or OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("merchant-sync")

    def close(self) -> None:
        """Send what is left. A receiver that is away costs a few seconds, and what was left."""
        self._provider.shutdown()

    def begin(
        self, name: str, kind: Kind, attributes: Attributes, *, caused_by: Iterable[str] | None = None
    ) -> OpenSpan:
        """A span that has begun now. Errors within it are noted by their type alone."""
        base, links = (context.get_current(), []) if caused_by is None else _causes(caused_by)
        begun = self._tracer.start_span(
            name, base, SpanKind[kind.upper()], attributes, links, record_exception=False, set_status_on_exception=False
        )
        return OpenSpan(begun, base)

    def get_traceparent(self) -> str | None:
        """The present span as a header."""
        present = _present()
        return None if present is None else _header(present)

    def get_trace_id(self) -> str | None:
        """The present trace."""
        present = _present()
        return None if present is None else trace.format_trace_id(present.trace_id)

    def get_log_fields(self) -> dict[str, str]:
        """The present trace, as a field of a line."""
        present = self.get_trace_id()
        return {} if present is None else {"trace_id": present}


def _present() -> SpanContext | None:
    present = trace.get_current_span().get_span_context()
    return present if present.is_valid else None


def _header(said_by: SpanContext) -> str:
    ids = f"{trace.format_trace_id(said_by.trace_id)}-{trace.format_span_id(said_by.span_id)}"
    return f"00-{ids}-{said_by.trace_flags:02x}"


def _causes(caused_by: Iterable[str]) -> tuple[Context, list[Link]]:
    """The context of the first that is well-formed, and links to the others, each once."""
    base, causes = Context(), dict[int, SpanContext]()
    for parent in caused_by:
        read = _READ({TRACEPARENT: parent}, Context())
        cause = trace.get_current_span(read).get_span_context()
        if not cause.is_valid:
            continue
        base = base if causes else read
        causes.setdefault(cause.span_id, cause)
        if len(causes) > MOST_LINKS:
            break
    return base, [Link(cause) for cause in list(causes.values())[1:]]
