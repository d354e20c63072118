"""The HTTP protocol of the public listener: it takes plain webhook POSTs directly off the parser.

Uvicorn creates a task, an event and two messages for every request. For a delivery, whose answer is one of seven, that
is most of the work. A request that is not plain (pipelined, HTTP/1.0, `Expect`, a query) goes through uvicorn and the
ASGI application to the same handler.
"""

from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.pages.responses import get_webhook_body
from gateway.webhooks.deadlines import Deadlines
from gateway.webhooks.handler import Header
from gateway.webhooks.tracing import WebhookReceiver
from service.process import LAST_ANSWER

BODY_SECONDS = 3.0
"""From a delivery's headers to the end of its body."""
LINGER_SECONDS = 1.0
"""How long the rest of a refused body is read and dropped: were the connection closed at once, the sender might never
see the answer."""


class WebhookProtocol(HttpToolsProtocol):
    """One connection to the public listener."""

    def __init__(self, *, endpoints: "WebhookEndpoints", **uvicorn_arguments: Any) -> None:
        super().__init__(**uvicorn_arguments)
        self._endpoints = endpoints
        self._request: WebhookRequest | None = None

    def data_received(self, data: bytes) -> None:
        """Parse bytes. A delivery whose body does not come together with its headers gets a deadline."""
        super().data_received(data)
        request, self._request = self._request, None
        if request is not None and not request.is_finished:
            self._endpoints.deadlines.add(request)

    def on_message_begin(self) -> None:
        """Begin a request. What uvicorn needs besides is created when the request goes through uvicorn."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Begin a plain delivery, or pass the request to uvicorn."""
        handler = self._endpoints.by_path.get(self.url)
        if handler is None or not self._is_plain():
            self._pass_to_uvicorn()
            return
        self._request = request = WebhookRequest(self, handler, self.headers)
        self.cycle = request  # type: ignore[assignment] # it has what this class uses of a cycle

    def _pass_to_uvicorn(self) -> None:
        url, expect, headers = self.url, self.expect_100_continue, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers += headers
        super().on_headers_complete()

    def _is_plain(self) -> bool:
        return (
            self.parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and self.parser.get_http_version() == "1.1"
            and not self.parser.should_upgrade()
        )

    def answer(self, status: int, *, keep_alive: bool, has_unread_body: bool) -> None:
        """Write the answer at once, then keep the connection or close it."""
        if self.transport.is_closing():
            return
        keep_alive = keep_alive and LAST_ANSWER not in self.server_state.default_headers
        self.transport.write(_build_response(status, self.server_state.default_headers, keep_alive=keep_alive))
        self.on_response_complete()
        if not keep_alive:
            self.loop.call_later(LINGER_SECONDS if has_unread_body else 0, self.transport.close)


class WebhookEndpoints:
    """The webhook handlers of one process by path, and the one timer for the bodies that they wait for."""

    def __init__(self, handlers: Iterable[WebhookReceiver], *, body_seconds: float = BODY_SECONDS) -> None:
        self.by_path = {handler.path.encode(): handler for handler in handlers}
        self.deadlines = Deadlines(body_seconds)


class WebhookRequest:
    """One delivery on a connection: collects the body and writes the answer. Uvicorn takes it for its request cycle."""

    __slots__ = (
        *("_connection", "_handler", "_headers", "_is_handled"),
        *("body", "disconnected", "keep_alive", "more_body", "response_complete"),
    )

    def __init__(self, connection: WebhookProtocol, handler: WebhookReceiver, headers: list[Header]) -> None:
        self._connection = connection
        self._handler = handler
        self._headers = headers
        self._is_handled = False
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.keep_alive: bool = connection.parser.should_keep_alive()

    @property
    def message_event(self) -> "WebhookRequest":
        """The event that uvicorn sets when more of the body, its end, or the connection's end has come."""
        return self

    def set(self) -> None:
        """Handle the delivery when its body is complete. Uvicorn calls this, see `message_event`."""
        if self.response_complete or self._is_handled or self.disconnected:
            return
        if len(self.body) > self._handler.max_bytes:
            self._refuse(413, "the body is too large")
        elif self.more_body:
            self._connection.flow.resume_reading()
        else:
            self._is_handled = True
            self._handler.handle(self._headers, self.body, self.answer)

    def answer(self, status: int) -> None:
        """Write the answer."""
        self.response_complete = True
        if not self.disconnected:
            self._connection.answer(status, keep_alive=self.keep_alive, has_unread_body=self.more_body)

    @property
    def is_finished(self) -> bool:
        """Whether the body is complete, or the connection has ended."""
        return self._is_handled or self.response_complete or self.disconnected

    def handle_timeout(self) -> None:
        """Refuse the delivery because its body did not come in time."""
        self._refuse(408, "the body did not come")

    def _refuse(self, status: int, reason: str) -> None:
        """Answer before the rest of the body, which is not read any more."""
        self.keep_alive = False
        self.answer(self._handler.log_refusal(status, reason, self._headers))


def _build_response(status: int, default_headers: Iterable[Header], *, keep_alive: bool) -> bytes:
    body = get_webhook_body(status)
    head = [STATUS_LINE[status]]
    for name, value in default_headers:
        if (name, value) != LAST_ANSWER:
            head += (name, b": ", value, b"\r\n")
    head.append(b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body))
    head.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
    head.append(body)
    return b"".join(head)
