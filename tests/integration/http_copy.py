"""Holds a copy of a connection's records by the data API's recipe, in a thread, with reconnects every few seconds."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import orjson

Key = tuple[str, str]
RECONNECT_SECONDS = 3.0


class ResetError(Exception):
    """Raised when the data API says that the copy must be made anew."""


class HttpCopy(threading.Thread):
    """Takes the head, lists each resource by id, then reads changes from the head: by long polls, or by a stream.

    It applies an entry only if its sequence number is higher than what it has of the record, as the recipe says.
    """

    def __init__(self, url: str, key: str, connection: str, *, by_stream: bool) -> None:
        super().__init__(daemon=True)
        self._url, self._headers = url, {"X-API-Key": key}
        self._path = f"/v1/connections/{connection}"
        self._by_stream = by_stream
        self._is_stopping = threading.Event()
        self._http = self._connect()
        self._reconnect_at = 0.0
        self._entries: dict[Key, tuple[int, Any]] = {}
        self._cursor = ""
        self.resets = 0
        self.reconnects = 0
        self.error: BaseException | None = None

    @property
    def bodies(self) -> dict[Key, Any]:
        """The bodies of the living records."""
        return {key: body for key, (_, body) in dict(self._entries).items() if body is not None}

    def stop(self) -> None:
        """Stop the thread, and raise what it has failed by."""
        self._is_stopping.set()
        self.join(60)
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        """Hold the copy until it is stopped."""
        try:
            while not self._is_stopping.is_set():
                try:
                    self._make_copy()
                    self._follow()
                except ResetError:
                    self.resets += 1
        except BaseException as error:
            self.error = error
            raise

    def _make_copy(self) -> None:
        self._entries = {}
        self._cursor = self._get("/changes/head")["cursor"]
        resources = self._get("")["records"]
        for resource in resources:
            cursor: str | None = ""
            while cursor is not None and not self._is_stopping.is_set():
                page = self._get(f"/records/{resource}", limit="20", **({"cursor": cursor} if cursor else {}))
                for record in page["records"]:
                    self._apply((resource, record["id"]), record["sequence"], record["data"])
                cursor = page["next_cursor"]

    def _follow(self) -> None:
        while not self._is_stopping.is_set():
            if self._by_stream:
                self._follow_stream()
                continue
            page = self._get("/changes", cursor=self._cursor, wait="2", limit="50")
            for change in page["changes"]:
                self._apply((change["resource"], change["id"]), change["sequence"], change.get("data"))
            self._cursor = page["next_cursor"]

    def _follow_stream(self) -> None:
        """Read a stream for a few seconds, and leave it in the middle."""
        ends_at = time.monotonic() + RECONNECT_SECONDS
        headers = {"Last-Event-ID": self._cursor}
        try:
            with self._http.stream("GET", f"{self._path}/changes/stream", headers=headers) as response:
                if response.status_code == httpx.codes.GONE:
                    raise ResetError
                if response.status_code != httpx.codes.OK:
                    time.sleep(0.1)
                    return
                for name, data, cursor in _parse_events(response.iter_lines()):
                    if name == "reset":
                        raise ResetError
                    if name == "change":
                        self._apply((data["resource"], data["id"]), data["sequence"], data.get("data"))
                    self._cursor = cursor or self._cursor
                    if name == "end" or time.monotonic() > ends_at or self._is_stopping.is_set():
                        break
        except httpx.HTTPError:
            time.sleep(0.1)
        self.reconnects += 1

    def _apply(self, key: Key, sequence: int, body: Any) -> None:
        known = self._entries.get(key)
        if known is None or known[0] < sequence:
            self._entries[key] = (sequence, body)

    def _get(self, path: str, **query: str) -> Any:
        """Return the JSON of an answer. Asks again while the data API is away or has too much to do."""
        while True:
            try:
                response = self._http.get(self._path + path, params=query)
                if response.status_code == httpx.codes.GONE:
                    raise ResetError
                if response.status_code < 500 and response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    return response.raise_for_status().json()
            except httpx.TransportError:
                pass
            if self._is_stopping.is_set():
                raise ResetError
            time.sleep(0.1)
            if time.monotonic() > self._reconnect_at:
                self._http.close()
                self._http, self._reconnect_at = self._connect(), time.monotonic() + RECONNECT_SECONDS
                self.reconnects += 1

    def _connect(self) -> httpx.Client:
        return httpx.Client(base_url=self._url, headers=self._headers, timeout=30)


def _parse_events(lines: Iterator[str]) -> Iterator[tuple[str, Any, str]]:
    """Yield name, data and cursor of each event of a stream. A keep-alive has the cursor alone."""
    name, data, cursor = "", None, ""
    for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data = orjson.loads(value)
        elif field == "id":
            cursor = value.strip()
        elif not line:
            yield name, data, cursor
            name, data, cursor = "", None, ""
