"""The HTTP protocol of the public listener. It handles plain webhook POSTs directly, without uvicorn's request cycle.

Uvicorn creates a task, an event and two messages for every request. For a delivery, which has a short fixed answer,
that would be most of the work. A POST that is not plain (pipelined, HTTP/1.0, with `Expect` or a query) reaches the
same handler through uvicorn and the ASGI application.
"""

from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.pages.responses import RETRY_AFTER, get_webhook_response_body
from gateway.webhooks.deadlines import Deadlines
from gateway.webhooks.handler import Header
from gateway.webhooks.tracing import WebhookReceiver
from service.limited_protocol import LINGER_SECONDS, LimitedProtocol
from service.process import LAST_ANSWER

BODY_SECONDS = 3.0
"""The time limit from a delivery's headers to the end of its body."""


class WebhookProtocol(LimitedProtocol):
    """Handles one TCP connection to the public listener.

    Plain webhook POSTs go directly to the webhook handlers, all other requests to uvicorn.
    """

    def __init__(self, *, endpoints: "WebhookEndpoints", **uvicorn_arguments: Any) -> None:
        super().__init__(**uvicorn_arguments)
        self._endpoints = endpoints
        self._request: WebhookRequest | None = None

    def data_received(self, data: bytes) -> None:
        """Parse bytes that have arrived.

        When they end the headers of a webhook POST but not yet its body, the body gets a deadline.
        """
        super().data_received(data)
        request, self._request = self._request, None
        if request is not None and not request.is_finished:
            self._endpoints.deadlines.add(request)

    def on_message_begin(self) -> None:
        """Begin a request with the few attributes that a webhook POST needs.

        `_pass_to_uvicorn` creates the other attributes that uvicorn needs.
        """
        self.begin_headers()
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Begin to read a plain POST to a webhook path, or pass any other request to uvicorn.

        `_is_plain` decides which POSTs are plain: for example HTTP/1.1, without `Expect`, and not pipelined.
        """
        handler = self._endpoints.by_path.get(self.url)
        if handler is None or not self._is_plain():
            self._pass_to_uvicorn()
            return
        self.end_and_check_headers()
        self._request = request = WebhookRequest(self, handler, self.headers)
        self.cycle = request  # type: ignore[assignment] # it has what this class uses of a cycle
        self.discard_trailers()

    def _pass_to_uvicorn(self) -> None:
        url, expect, headers = self.url, self.expect_100_continue, self.headers
        HttpToolsProtocol.on_message_begin(self)  # the limits of these headers have begun already
        self.url, self.expect_100_continue = url, expect
        self.headers += headers
        super().on_headers_complete()

    def _is_plain(self) -> bool:
        return (
            self.parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused
            and self.parser.get_http_version() == "1.1"
            and not self.parser.should_upgrade()
        )

    def answer(self, status: int, *, keep_alive: bool, has_unread_body: bool) -> None:
        """Write the answer to a webhook POST, and then keep the TCP connection open or close it.

        With `has_unread_body` a closing is delayed by a second, so that the sender still sees the answer.
        """
        if self.transport.is_closing():
            return
        keep_alive = keep_alive and LAST_ANSWER not in self.server_state.default_headers
        if not keep_alive:
            self.discard_rest()
        self.transport.write(_build_response(status, self.server_state.default_headers, keep_alive=keep_alive))
        self.on_response_complete()
        if not keep_alive:
            self.loop.call_later(LINGER_SECONDS if has_unread_body else 0, self.transport.close)


class WebhookEndpoints:
    """The webhook handlers of one process by path, and the deadlines for the bodies of all of its deliveries."""

    def __init__(self, handlers: Iterable[WebhookReceiver], *, body_seconds: float = BODY_SECONDS) -> None:
        self.by_path = {handler.path.encode(): handler for handler in handlers}
        self.deadlines = Deadlines(body_seconds)


class WebhookRequest:
    """One webhook POST: collects the body and writes the answer.

    It has the attributes of uvicorn's request cycle that `HttpToolsProtocol` uses, and takes the cycle's place.
    """

    __slots__ = (
        *("_connection", "_handler", "_headers", "_is_handled"),
        *("body", "disconnected", "keep_alive", "more_body", "response_complete"),
    )

    def __init__(self, connection: WebhookProtocol, handler: WebhookReceiver, headers: list[Header]) -> None:
        self._connection = connection
        self._handler = handler
        self._headers = headers
        self._is_handled = False
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.keep_alive: bool = connection.parser.should_keep_alive()

    @property
    def message_event(self) -> "WebhookRequest":
        """This object itself. Uvicorn calls its `set` for each part of the body, and when body or connection end."""
        return self

    def set(self) -> None:
        """Handle the POST when its body is complete. Uvicorn calls this, see `message_event`."""
        if self.response_complete or self._is_handled or self.disconnected:
            return
        if len(self.body) > self._handler.max_bytes:
            self._refuse(413, "the body is too large")
        elif self.more_body:
            self._connection.flow.resume_reading()
        else:
            self._is_handled = True
            body, self.body = bytes(self.body), bytearray()
            self._handler.handle(self._headers, body, self.answer, peer=self._connection.peer)
            self._connection.release_body()

    def answer(self, status: int) -> None:
        """Answer the POST with this HTTP status, unless the sender is gone."""
        self.response_complete = True
        if not self.disconnected:
            self._connection.answer(status, keep_alive=self.keep_alive, has_unread_body=self.more_body)

    @property
    def response_started(self) -> bool:
        """Whether the answer is written. Uvicorn's name for it."""
        return self.response_complete

    @property
    def is_finished(self) -> bool:
        """Whether the deadline no longer matters: the body is complete, the POST is answered, or the sender is gone."""
        return self._is_handled or self.response_complete or self.disconnected

    def handle_timeout(self) -> None:
        """Answer 408, because the body did not arrive in time."""
        self._refuse(408, "the body did not come")

    def _refuse(self, status: int, reason: str) -> None:
        """Log and count the refusal, and answer with this HTTP status. The TCP connection is then closed.

        It is called before the whole body is read. The rest of the body is discarded.
        """
        self.keep_alive = False
        self.answer(self._handler.refuse(status, reason, self._headers, peer=self._connection.peer))


def _build_response(status: int, default_headers: Iterable[Header], *, keep_alive: bool) -> bytes:
    body = get_webhook_response_body(status)
    head = [STATUS_LINE[status]]
    for name, value in default_headers:
        if (name, value) != LAST_ANSWER:
            head += (name, b": ", value, b"\r\n")
    head.append(b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body))
    if status == 429:
        head.append(b"retry-after: %b\r\n" % RETRY_AFTER)
    head.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
    head.append(body)
    return b"".join(head)
