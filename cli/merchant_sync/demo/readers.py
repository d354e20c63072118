"""The demo's steps for readers: a key of a connection, its data over HTTP, and live streams of its changes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from merchant_sync.client import JSON, Visit, ensure_success
from merchant_sync.demo.trip import WAIT_SECONDS
from merchant_sync.parts import StackError
from merchant_sync.steps import wait_for

Event = tuple[str, Any]
"""The name of a Server-Sent Event, and its data as parsed JSON."""


class DemoReader:
    """Reads the data of one connection with a key of its own, which the merchant has made on the connection's page."""

    def __init__(self, visit: Visit, browser: httpx.Client, connection: str) -> None:
        fields = {"name": "demo", "scope_read": "on", "scope_refresh": "on"}
        made = ensure_success(visit.post_form(browser, connection, "make-key", fields, accept=JSON["Accept"])).json()
        self.connection, self.prefix = connection, str(made["prefix"])
        headers = {"X-API-Key": made["key"]}
        self._http = httpx.Client(base_url=visit.data_api_url, headers=headers, timeout=WAIT_SECONDS)

    def wait_until_known(self) -> httpx.Response:
        """Wait until the data API knows the key, and return its answer to `GET /fetch-data`."""

        def fetch() -> httpx.Response | None:
            response = self._http.get("/fetch-data")
            return response if response.status_code != httpx.codes.UNAUTHORIZED else None

        return wait_for(fetch, within=WAIT_SECONDS, what="the new key at the data API")

    def wait_for_document(self, load_expected: Callable[[], Any]) -> str:
        """Wait until `GET /fetch-data` has the document that `load_expected` returns; return its size as text."""

        def compare() -> str | None:
            response = ensure_success(self._http.get("/fetch-data"))
            return f"{len(response.content):,} bytes" if response.json()["data"] == load_expected() else None

        return wait_for(compare, within=WAIT_SECONDS, what="the expected data at the data API")

    @contextmanager
    def open_change_stream(self) -> Iterator[Iterator[Event]]:
        """Open a stream of the connection's changes, and yield its events once the server has begun it."""
        with self._open_stream(f"/v1/connections/{quote(self.connection, safe='')}/changes/stream") as events:
            yield events

    @contextmanager
    def open_update_stream(self) -> Iterator[Iterator[Event]]:
        """Ask for a refresh, and yield the events that tell of it."""
        with self._open_stream("/fetch-data", stream="true", refresh="true") as events:
            yield events

    @contextmanager
    def _open_stream(self, path: str, **query: str) -> Iterator[Iterator[Event]]:
        with self._http.stream("GET", path, params=query) as response:
            if response.status_code != httpx.codes.OK:
                response.read()
            yield _parse_events(ensure_success(response).iter_lines())


def _parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """Yield the events of a stream. The first line of the stream, a comment, is skipped as all comments are."""
    name = ""
    for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            yield name, orjson.loads(value)


def find_event(events: Iterator[Event], *names: str) -> Event:
    """Return the next event with one of these names. Raises StackError when the stream ends before."""
    for name, data in events:
        if name in names:
            return name, data
    raise StackError(f"the stream ended without an event {' or '.join(names)}")
