"""Traces of deliveries. Each POST begins a trace of its own, whatever trace context its sender claims.

Where no traces are exported, handlers and `publish` are returned unchanged.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from gateway.webhooks.handler import Answer, Header, OnDelivery, Publish, WebhookHandler
from messaging import tracing
from messaging.errors import UnavailableError
from messaging.instrumentation import describe_send

if TYPE_CHECKING:
    from messaging.otel import Tracer


def trace_handler(handler: WebhookHandler) -> "WebhookReceiver":
    """Wrap the handler in a trace span for each POST, from the end of its body to its answer.

    Return the handler itself where no traces are exported.
    """
    tracer = tracing.get_tracer()
    return handler if tracer is None else TracingHandler(handler, tracer)


def trace_publish(publish: Publish) -> Publish:
    """Wrap `publish` in a trace span for each message, which ends when Kafka has acknowledged the message.

    The message's headers carry the span as parent. Return `publish` itself where no traces are exported.
    """
    tracer = tracing.get_tracer()
    return publish if tracer is None else partial(_publish_in_span, publish, tracer)


class TracingHandler:
    """Wraps a webhook handler in a span for each POST, see `trace_handler`."""

    def __init__(self, handler: WebhookHandler, tracer: "Tracer") -> None:
        self.path = handler.path
        self.max_bytes = handler.max_bytes
        self.answer_seconds = handler.answer_seconds
        self.refuse = handler.refuse
        self._handle = handler.handle
        self._tracer = tracer

    def handle(self, headers: Sequence[Header], body: bytes, answer: Answer, *, peer: str) -> None:
        """Begin the span, run `WebhookHandler.handle` in it, and end it with the answer."""
        span = self._tracer.start_span(
            f"POST {self.path}",
            "server",
            {"http.request.method": "POST", "http.route": self.path, "http.request.body.size": len(body)},
            caused_by=(),
        )

        def end_and_answer(status: int) -> None:
            tracing.record_status(span, status)
            span.end()
            answer(status)

        span.run(partial(self._handle, headers, body, end_and_answer, peer=peer))


WebhookReceiver = WebhookHandler | TracingHandler
"""A handler of the POSTs to one path, with or without spans."""


def _publish_in_span(
    publish: Publish,
    tracer: "Tracer",
    topic: str,
    key: bytes,
    body: bytes,
    headers: Sequence[tuple[str, bytes]],
    on_delivery: OnDelivery,
    is_cancelled: Callable[[], bool],
) -> None:
    name, attributes = describe_send(topic, 1)
    sync_id = dict(headers).get("ce_id", b"").decode()
    own = {"merchant_sync.connection": key.decode(), "merchant_sync.sync_id": sync_id}
    span = tracer.start_span(name, "producer", {**attributes, **own})

    def end_and_report(error: UnavailableError | None) -> None:
        if error is not None:
            span.record_error(error)
        span.end()
        on_delivery(error)

    trace_headers = tracing.build_trace_headers(span.traceparent)
    publish(topic, key, body, [*headers, *trace_headers], end_and_report, is_cancelled)
