"""Lines of libraries are structured, and repeated trouble is one line with a count."""

import json
import logging
import subprocess
import sys

import pytest
import structlog

from service import logging_setup
from service.logging_setup import REPEAT_SECONDS, LibraryLogHandler


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Library:
    """A library that logs errors."""

    def __init__(self, handler: LibraryLogHandler) -> None:
        self._handler = handler

    def error(self, template: str, *arguments: object) -> None:
        self._handler.handle(
            logging.LogRecord("library.in.trouble", logging.ERROR, __file__, 1, template, arguments, None)
        )


def test_equal_lines_are_written_once_and_later_with_their_count(clock: Clock) -> None:
    library = Library(LibraryLogHandler(clock))
    with structlog.testing.capture_logs() as lines:
        for node in range(500):
            library.error("no connection to node %s", node)
        library.error("another trouble")
        clock.seconds = REPEAT_SECONDS
        library.error("no connection to node %s", 7)
        library.error("no connection to node %s", 8)
    assert [(line["event"], line.get("repeated")) for line in lines] == [
        ("no connection to node 0", None),
        ("another trouble", None),
        ("no connection to node 7", 499),
    ]
    assert {(line["logger"], line["log_level"]) for line in lines} == {("library.in.trouble", "error")}


def test_what_is_remembered_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging_setup, "MAX_TEMPLATES", 10)
    library = Library(handler := LibraryLogHandler(clock))
    with structlog.testing.capture_logs() as lines:
        for number in range(100):
            library.error(f"trouble {number}")
    assert len(lines) == 100
    assert len(handler.repetitions) <= 10


def test_a_line_that_cannot_be_formatted_is_written_as_it_is(clock: Clock) -> None:
    with structlog.testing.capture_logs() as lines:
        Library(LibraryLogHandler(clock)).error("no number: %d", "seven")
    assert lines[0]["event"] == "no number: %d"


def test_every_line_of_a_process_is_json() -> None:
    program = """
import logging, structlog
from service.logging_setup import configure_logging
configure_logging("scheduler")
structlog.get_logger().info("started")
logging.getLogger("aiokafka.consumer").error("no coordinator: %s", 15)
logging.getLogger("aiokafka.consumer").warning("not shown")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("asyncio").exception("in a callback")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("started", "info"),
        ("no coordinator: 15", "error"),
        ("in a callback", "error"),
    ]
    assert "ZeroDivisionError" in lines[2]["exception"]
    assert {line["service"] for line in lines} == {"scheduler"}
    assert not done.stderr
