"""Traces begin here: each POST of deliveries is a trace of its own, whatever trace its sender claims to be in.

Wraps the reception and the way to Kafka where traces are exported; where they are not, neither is touched.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from gateway.routes.reception import Answer, Give, Header, Reception
from messaging import tracing
from messaging.errors import Away
from messaging.publisher import sending_span
from messaging.spans import Opened, Spans


class TracedReception:
    """A reception with a span from the whole body to the answer."""

    def __init__(self, reception: Reception, spans: Spans) -> None:
        self.path = reception.path
        self.max_bytes = reception.max_bytes
        self.answer_seconds = reception.answer_seconds
        self.refused = reception.refused
        self._take = reception.take
        self._spans = spans

    def take(self, headers: Sequence[Header], body: bytes, answer: Answer) -> None:
        """As the reception's own."""
        about = {"http.request.method": "POST", "http.route": self.path, "http.request.body.size": len(body)}
        opened = self._spans.begin(f"POST {self.path}", "server", about, caused_by=())

        def answered(status: int) -> None:
            tracing.answered(opened, status)
            opened.end()
            answer(status)

        opened.within(partial(self._take, headers, body, answered))
