"""The HTTP connections of the public listener: plain webhook POSTs are taken straight off the parser.

Uvicorn makes a task, an event and two messages for every request; for a delivery, whose answer is one of seven, that
is most of the work. Whatever is not plain (pipelined, HTTP/1.0, `Expect`, a query) goes the ordinary way to the same
reception.
"""

from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.pages.responses import webhook_answer
from gateway.webhooks.deadlines import Deadlines
from gateway.webhooks.handler import Header, Receiving
from service.process import LAST_ANSWER

BODY_SECONDS = 3.0
"""From a delivery's headers to the end of its body."""
LINGER_SECONDS = 1.0
"""So long the rest of a refused body is read and dropped: closed at once, the sender may never see the answer."""


class PublicConnection(HttpToolsProtocol):
    """A connection to the public listener. `receptions` by the path of their POSTs."""

    def __init__(self, *, receptions: "Receptions", **uvicorn_gives: Any) -> None:
        super().__init__(**uvicorn_gives)
        self._receptions = receptions
        self._exchange: Exchange | None = None

    def data_received(self, data: bytes) -> None:
        """Bytes of requests. A delivery whose body has not come with its headers has only so much time for it."""
        super().data_received(data)
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.ended:
            self._receptions.deadlines.begin(exchange)

    def on_message_begin(self) -> None:
        """A request begins; what the ordinary way needs besides is made when it goes that way."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """A plain delivery begins, or any other request."""
        reception = self._receptions.by_path.get(self.url)
        if reception is None or not self._is_plain():
            self._go_the_ordinary_way()
            return
        self._exchange = exchange = Exchange(self, reception, self.headers)
        self.cycle = exchange  # type: ignore[assignment] # as much of a cycle as this class looks at

    def _go_the_ordinary_way(self) -> None:
        url, expects, headers = self.url, self.expect_100_continue, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
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

    def answer(self, status: int, *, keep_alive: bool, unread: bool) -> None:
        """Write the answer in one piece; go on with the connection or close it. `unread`: a body is still coming."""
        if self.transport.is_closing():
            return
        keep_alive = keep_alive and LAST_ANSWER not in self.server_state.default_headers
        self.transport.write(_response(status, self.server_state.default_headers, keep_alive=keep_alive))
        self.on_response_complete()
        if not keep_alive:
            self.loop.call_later(LINGER_SECONDS if unread else 0, self.transport.close)


class Receptions:
    """The receptions of one process by path, and the one timer for the bodies that they wait for."""

    def __init__(self, receptions: Iterable[Receiving], *, body_seconds: float = BODY_SECONDS) -> None:
        self.by_path = {reception.path.encode(): reception for reception in receptions}
        self.deadlines = Deadlines(body_seconds)


class Exchange:
    """One delivery on a connection: gathers the body, and gives the answer. Uvicorn sees it as its present cycle."""

    __slots__ = (
        *("_connection", "_headers", "_reception", "_taken"),
        *("body", "disconnected", "keep_alive", "more_body", "response_complete"),
    )

    def __init__(self, connection: PublicConnection, reception: Receiving, headers: list[Header]) -> None:
        self._connection = connection
        self._reception = reception
        self._headers = headers
        self._taken = False
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_complete = False
        self.keep_alive: bool = connection.parser.should_keep_alive()

    @property
    def message_event(self) -> "Exchange":
        """Uvicorn sets it when more of the body, its end, or the connection's end has come."""
        return self

    def set(self) -> None:
        """Something has come."""
        if self.response_complete or self._taken or self.disconnected:
            return
        if len(self.body) > self._reception.max_bytes:
            self._refuse(413, "the body is too large")
        elif self.more_body:
            self._connection.flow.resume_reading()
        else:
            self._taken = True
            self._reception.take(self._headers, self.body, self.answer)

    def answer(self, status: int) -> None:
        """Give the answer."""
        self.response_complete = True
        if not self.disconnected:
            self._connection.answer(status, keep_alive=self.keep_alive, unread=self.more_body)

    @property
    def ended(self) -> bool:
        """Whether the body has come, or the connection has gone."""
        return self._taken or self.response_complete or self.disconnected

    def over(self) -> None:
        """The body has not come in time."""
        self._refuse(408, "the body did not come")

    def _refuse(self, status: int, reason: str) -> None:
        """Answer without the rest of the body, which nobody will read."""
        self.keep_alive = False
        self.answer(self._reception.refused(status, reason, self._headers))


def _response(status: int, default_headers: Iterable[Header], *, keep_alive: bool) -> bytes:
    body = webhook_answer(status)
    head = [STATUS_LINE[status]]
    for name, value in default_headers:
        if (name, value) != LAST_ANSWER:
            head += (name, b": ", value, b"\r\n")
    head.append(b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body))
    head.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
    head.append(body)
    return b"".join(head)
