"""Traces: one for one webhook, through every service that has to do with it.

As with the log, there is one for a process, and nothing is handed around. Without an OTLP receiver none of this does
anything: no span is made, and the library that makes them is not even loaded.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import urlsplit

from contracts.headers import TRACEPARENT

if TYPE_CHECKING:
    from messaging.spans import Tracer

Kind = Literal["internal", "server", "client", "producer", "consumer"]
"""What a span is, in OpenTelemetry's words."""
Attributes = Mapping[str, str | int]
"""What a span says besides its name: platform, connection, sync, topic, counts. Never a token, a body, or data of a
customer."""
LONGEST = 512
"""A header longer than this is no `traceparent`."""


class Span(Protocol):
    """A piece of work that is under way."""

    def set_attribute(self, name: str, value: str | int) -> None:
        """Say one thing more of it."""

    def record_error(self, error: Exception) -> None:
        """It has failed. Only the error's type is said: its text may hold anything."""


class _Nothing:
    """A span that nobody will see."""

    def set_attribute(self, name: str, value: str | int) -> None:
        """Nothing."""

    def record_error(self, error: Exception) -> None:
        """Nothing."""


_NOTHING: AbstractContextManager[Span] = nullcontext(_Nothing())
_NO_FIELDS: Mapping[str, str] = {}
_spans: "Tracer | None" = None


@contextmanager
def export_traces(service: str, endpoint: str) -> Iterator[None]:
    """Export this process's spans to the OTLP/HTTP receiver at the base address `endpoint` while the context lasts;
    nothing where it is empty. To be entered in the process itself, after any fork; what is left is sent at the end."""
    global _spans
    if not endpoint:
        yield
        return
    from messaging.spans import Tracer

    _spans = spans = Tracer(service, endpoint)
    try:
        yield
    finally:
        _spans = None
        spans.close()


def get_tracer() -> "Tracer | None":
    """What makes spans by hand where work ends in a callback; None when there are no traces."""
    return _spans


def start_span(
    name: str, kind: Kind, attributes: Attributes, *, caused_by: Iterable[str] | None = None
) -> AbstractContextManager[Span]:
    """A span around the work in the context. It belongs to the present one; with `caused_by`, `traceparent` headers,
    to the first of them, linked to the others, and to none where none is well-formed."""
    if _spans is None:
        return _NOTHING
    return _spans.begin(name, kind, attributes, caused_by=caused_by)


def trace_call(method: str, url: str, **attributes: str) -> AbstractContextManager[Span]:
    """The span of an HTTP call; `answered` says how it went. Of its address the host alone: the rest may hold what
    nobody should read."""
    if _spans is None:
        return _NOTHING
    whom = {"http.request.method": method, "server.address": urlsplit(url).hostname or ""}
    return _spans.begin(method, "client", {**whom, **attributes})


def record_status(call: Span, status: int) -> None:
    """The call was answered with `status`."""
    call.set_attribute("http.response.status_code", status)


def get_traceparent() -> str | None:
    """The present span as a header of what it says; None when there is none."""
    return None if _spans is None else _spans.get_traceparent()


def get_trace_id() -> str | None:
    """The present trace, for the log; None when there is none."""
    return None if _spans is None else _spans.get_trace_id()


def get_log_fields() -> Mapping[str, str]:
    """The same as fields of a line, for those that are written past structlog."""
    return _NO_FIELDS if _spans is None else _spans.get_log_fields()


def build_trace_headers(parent: str | None) -> list[tuple[str, bytes]]:
    """The Kafka headers that a message gets for its trace."""
    return [] if parent is None else [(TRACEPARENT, parent.encode())]


def extract_traceparents(heard: Iterable[Iterable[tuple[str, bytes]]]) -> Iterator[str]:
    """The `traceparent` headers of messages with these headers, where they have one; they may be malformed."""
    for one in heard:
        for name, value in one:
            if name == TRACEPARENT and len(value) <= LONGEST:
                yield value.decode("ascii", "replace")
