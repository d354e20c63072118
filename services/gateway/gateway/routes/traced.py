"""Traces begin here: each POST of deliveries is a trace of its own, whatever trace its sender says that it is in.

Where no traces are exported, nothing is wrapped.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from gateway.routes.reception import Answer, Give, Header, Receiving
from messaging import tracing
from messaging.errors import UnavailableError
from messaging.instrumentation import describe_send

if TYPE_CHECKING:
    from messaging.otel import Tracer


def traced(reception: Receiving) -> Receiving:
    """The reception, with a span from the whole body to the answer."""
    spans = tracing.get_tracer()
    return reception if spans is None else TracedReception(reception, spans)


def traced_give(give: Give) -> Give:
    """The way to Kafka, with a span until its word, which the message names as what says it."""
    spans = tracing.get_tracer()
    return give if spans is None else partial(_given, give, spans)


class TracedReception:
    """See `traced`."""

    def __init__(self, reception: Receiving, spans: "Tracer") -> None:
        self.path = reception.path
        self.max_bytes = reception.max_bytes
        self.answer_seconds = reception.answer_seconds
        self.refused = reception.refused
        self._take = reception.take
        self._spans = spans

    def take(self, headers: Sequence[Header], body: bytes, answer: Answer) -> None:
        """As the reception's own."""
        opened = self._spans.begin(
            f"POST {self.path}",
            "server",
            {"http.request.method": "POST", "http.route": self.path, "http.request.body.size": len(body)},
            caused_by=(),
        )

        def answered(status: int) -> None:
            tracing.record_status(opened, status)
            opened.end()
            answer(status)

        opened.run(partial(self._take, headers, body, answered))


def _given(
    give: Give,
    spans: "Tracer",
    topic: str,
    key: bytes,
    body: bytes,
    headers: Sequence[tuple[str, bytes]],
    told: Callable[[UnavailableError | None], None],
    dropped: Callable[[], bool],
) -> None:
    name, about = describe_send(topic, 1)
    sync_id = dict(headers).get("ce_id", b"").decode()
    whose = {"merchant_sync.connection": key.decode(), "merchant_sync.sync_id": sync_id}
    opened = spans.begin(name, "producer", {**about, **whose})

    def heard(word: UnavailableError | None) -> None:
        if word is not None:
            opened.record_error(word)
        opened.end()
        told(word)

    give(topic, key, body, [*headers, *tracing.build_trace_headers(opened.traceparent)], heard, dropped)
