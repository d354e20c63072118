"""An OTLP/HTTP receiver of traces: takes them as a collector does, and shows one as a tree."""

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
    """A span as it came; ids in hex, times in nanoseconds, `parent` empty at the root, `links` (trace, span)."""

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
        """The sync that it names."""
        return str(self.attributes.get("merchant_sync.sync_id", ""))


class Receiver:
    """What has come, as spans and as bytes."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.spans: list[Received] = []
        self.paths: set[str] = set()
        self.bodies: list[bytes] = []

    def take(self, path: str, body: bytes) -> None:
        """A request has come."""
        self.paths.add(path)
        self.bodies.append(body)
        for of_service in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = str(_plain(of_service.resource.attributes)["service.name"])
            for scope in of_service.scope_spans:
                self.spans += [_received(service, span) for span in scope.spans]

    def trace(self, trace: str) -> list[Received]:
        """All spans of a trace that have come."""
        return [span for span in list(self.spans) if span.trace == trace]


def _received(service: str, span: Any) -> Received:
    return Received(
        service=service,
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        attributes=_plain(span.attributes),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        events=len(span.events),
    )


def _plain(attributes: "Iterator[KeyValue] | Any") -> dict[str, str | int]:
    return {a.key: a.value.int_value if a.value.HasField("int_value") else a.value.string_value for a in attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            receiver.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def tree(spans: list[Received]) -> str:
    """A trace as a tree: when each span began after the first, how long it took, who it is of."""
    first = min(span.began for span in spans)
    known = {span.id for span in spans}

    def lines(parent: str | None, depth: int) -> Iterator[str]:
        for span in sorted(spans, key=lambda span: span.began):
            if (span.parent if span.parent in known else None) == parent:
                began, took = (span.began - first) / 1e6, (span.ended - span.began) / 1e6
                links = f"  (+{len(span.links)} links)" if span.links else ""
                yield f"{began:8.1f} ms {took:8.1f} ms  {span.service:<16} {'  ' * depth}{span.name}{links}"
                yield from lines(span.id, depth + 1)

    return "\n".join(lines(None, 0))
