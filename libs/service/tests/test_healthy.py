"""The health command of containers."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from service import healthcheck


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """A service whose /ready says so; its port."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/ready" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server.server_port
        server.shutdown()


def test_a_ready_service_is_no_trouble() -> None:
    with answering(200, b"{}") as port:
        assert healthcheck.check_ready(port) is None


def test_one_that_is_not_says_what_is_wrong() -> None:
    with answering(503, b'{"kafka": "away"}') as port:
        assert healthcheck.check_ready(port) == '{"kafka": "away"}'


def test_where_nobody_answers_the_exit_code_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200, b"") as port:
        pass
    monkeypatch.setattr(sys, "argv", ["healthy", str(port)])

    with pytest.raises(SystemExit, match=f"nobody answers on port {port}"):
        healthcheck.main()
