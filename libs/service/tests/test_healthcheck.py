"""The health check of containers."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from service import healthcheck


@contextmanager
def run_service(status: int, body: bytes) -> Iterator[int]:
    """Run a service whose /ready responds like this, and return its port."""

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


def test_a_ready_service_has_no_error() -> None:
    with run_service(200, b"{}") as port:
        assert healthcheck.check_ready(port) is None


def test_the_error_of_a_service_that_is_not_ready_is_its_response() -> None:
    with run_service(503, b'{"kafka": "away"}') as port:
        assert healthcheck.check_ready(port) == '{"kafka": "away"}'


def test_the_command_fails_when_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_service(200, b"") as port:
        pass
    monkeypatch.setattr(sys, "argv", ["healthy", str(port)])

    with pytest.raises(SystemExit, match=f"nothing answers on port {port}"):
        healthcheck.main()
