"""Shutdown: requests that were sent are answered, and connections end with a response."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

PROGRAM = """
import asyncio, sys
finishing = asyncio.Event()
from fastapi import FastAPI
from service.process import Endpoint, serve
app = FastAPI()
@app.get("/slow")
async def slow() -> str:
    print("received", flush=True)
    await finishing.wait()
    return "answered"
@app.get("/finish")
async def finish() -> str:
    finishing.set()
    return "answered"
@app.get("/quick")
async def quick() -> str:
    return "answered"
async def end_streams():
    print("ending", flush=True)
    finishing.set()
async def start(stack):
    return [Endpoint(app, "127.0.0.1", int(sys.argv[1]), end_streams=end_streams if sys.argv[2:] else None)]
serve(start)
"""


class Process:
    """A service with a quick route, a slow one, and one that lets the slow one end."""

    def __init__(self, *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        self.child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection as soon as the process listens."""
        deadline = time.monotonic() + 20
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.connect()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return connection

    def wait_for_request(self) -> None:
        """Wait until a slow request is being handled."""
        assert self.child.stdout is not None
        assert self.child.stdout.readline() == b"received\n"


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.child.kill()
    process.child.wait()


def read_response(connection: http.client.HTTPConnection) -> tuple[int, str | None]:
    response = connection.getresponse()
    response.read()
    return response.status, response.getheader("connection")


@pytest.mark.parametrize("times", [1, 2])
def test_an_idle_connection_ends_with_the_response_to_its_next_request(process: Process, times: int) -> None:
    """A process may be signalled twice: by a supervisor of the whole group, and by its parent."""
    idle, busy, last = process.connect(), process.connect(), process.connect()
    last.request("GET", "/quick")
    assert read_response(last) == (200, None)
    idle.request("GET", "/quick")
    assert read_response(idle) == (200, None)
    busy.request("GET", "/slow")
    process.wait_for_request()
    for _ in range(times):
        process.child.send_signal(signal.SIGTERM)
    # The signals arrive at some time after they were sent.
    deadline, response = time.monotonic() + 10, (200, None)
    while response == (200, None):
        assert time.monotonic() < deadline
        idle.request("GET", "/quick")
        response = read_response(idle)
    assert response == (200, "close")
    last.request("GET", "/finish")
    assert read_response(last) == (200, "close")
    assert read_response(busy)[0] == 200
    assert process.child.wait(10) == 0


def test_streams_end_when_the_process_begins_to_stop() -> None:
    process = Process("ends streams")
    try:
        busy = process.connect()
        busy.request("GET", "/slow")
        process.wait_for_request()
        process.child.send_signal(signal.SIGTERM)
        assert read_response(busy)[0] == 200
        assert process.child.wait(10) == 0
    finally:
        process.child.kill()


def test_a_process_that_is_still_starting_stops_on_sigterm() -> None:
    program = """
import asyncio
from service.process import serve
async def start(stack):
    stack.callback(print, "left", flush=True)
    print("starting", flush=True)
    await asyncio.sleep(60)
serve(start)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "starting\n"

    child.send_signal(signal.SIGTERM)

    assert child.wait(timeout=10) == 0
    assert child.stdout.read() == "left\n"
