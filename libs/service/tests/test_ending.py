"""A process that is asked to end: what has been sent to it is answered, and its connections end with an answer."""

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
from fastapi import FastAPI
from service.process import Served, serve
app = FastAPI()
@app.get("/slow")
async def slow() -> str:
    print("asked", flush=True)
    await asyncio.sleep(1)
    return "answered"
@app.get("/quick")
async def quick() -> str:
    return "answered"
async def running(stack):
    return [Served(app, "127.0.0.1", int(sys.argv[1]))]
serve(running)
"""


class Process:
    """A service with a quick and a slow answer."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def connection(self) -> http.client.HTTPConnection:
        """A connection that is kept open; waits until the process listens."""
        deadline = time.monotonic() + 20
        while True:
            made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                made.connect()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return made

    def heard(self) -> None:
        """Returns when a slow request is under way."""
        assert self.child.stdout is not None
        assert self.child.stdout.readline() == b"asked\n"


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process()
    yield made
    made.child.kill()
    made.child.wait()


def answer(connection: http.client.HTTPConnection) -> tuple[int, str | None]:
    got = connection.getresponse()
    got.read()
    return got.status, got.getheader("connection")


@pytest.mark.parametrize("times", [1, 2])
def test_an_idle_connection_ends_with_the_answer_to_its_next_request(process: Process, times: int) -> None:
    """A supervisor tells the group of processes, and its first tells the others: they are asked twice."""
    idle, busy = process.connection(), process.connection()
    idle.request("GET", "/quick")
    assert answer(idle) == (200, None)
    busy.request("GET", "/slow")
    process.heard()
    for _ in range(times):
        process.child.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    idle.request("GET", "/quick")
    assert answer(idle) == (200, "close")
    assert answer(busy)[0] == 200
    assert process.child.wait(10) == 0


def test_one_that_still_starts_ends_when_it_is_asked_to() -> None:
    program = """
import asyncio
from service.process import serve
async def running(stack):
    stack.callback(print, "left", flush=True)
    print("starting", flush=True)
    await asyncio.sleep(60)
serve(running)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "starting\n"

    child.send_signal(signal.SIGTERM)

    assert child.wait(timeout=10) == 0
    assert child.stdout.read() == "left\n"
