"""An OTLP/HTTP receiver of traces for tests, which can draw a trace as a tree."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True)
class Received:
    """A span as it was received.

    Ids are hexadecimal and times in nanoseconds. `parent` is empty at the root. Links are pairs of trace and span.
    """

    service: str
    name: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    attributes: dict[str, str | int]
    links: tuple[tuple[str, str], ...]
    failed: bool
    events: int

    @property
    def sync_id(self) -> str:
        """The sync id among its attributes, or an empty string."""
        return str(self.attributes.get("merchant_sync.sync_id", ""))


class Receiver:
    """Collects all requests, as spans and as bytes."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.spans: list[Received] = []
        self.paths: set[str] = set()
        self.bodies: list[bytes] = []

    def receive(self, path: str, body: bytes) -> None:
        """Read a request."""
        self.paths.add(path)
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = str(_read_attributes(resource.resource.attributes)["service.name"])
            for scope in resource.scope_spans:
                self.spans += [_parse_span(service, span) for span in scope.spans]

    def list_spans(self, trace: str) -> list[Received]:
        """Return the spans of a trace that were received."""
        return [span for span in list(self.spans) if span.trace == trace]


def _parse_span(service: str, span: Any) -> Received:
    return Received(
        service=service,
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        attributes=_read_attributes(span.attributes),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        events=len(span.events),
    )


def _read_attributes(attributes: "Iterator[KeyValue] | Any") -> dict[str, str | int]:
    return {a.key: a.value.int_value if a.value.HasField("int_value") else a.value.string_value for a in attributes}


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    """Run a receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            receiver.receive(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Do nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def draw_tree(spans: list[Received]) -> str:
    """Draw a trace as a tree: the start of each span after the first one, its duration, service and name."""
    first = min(span.began for span in spans)
    ids = {span.id for span in spans}

    def draw_children(parent: str | None, depth: int) -> Iterator[str]:
        for span in sorted(spans, key=lambda span: span.began):
            if (span.parent if span.parent in ids else None) == parent:
                start, duration = (span.began - first) / 1e6, (span.ended - span.began) / 1e6
                links = f"  (+{len(span.links)} links)" if span.links else ""
                yield f"{start:8.1f} ms {duration:8.1f} ms  {span.service:<16} {'  ' * depth}{span.name}{links}"
                yield from draw_children(span.id, depth + 1)

    return "\n".join(draw_children(None, 0))
