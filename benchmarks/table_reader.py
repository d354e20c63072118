"""Reads one table behind a phpMyAdmin, in a process of its own, by the product's source or by a simple script.

`table_reading` runs it: one line of JSON on standard input says what to read, one line on standard output what it took.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID, uuid4
from zlib import crc32

import httpx
import structlog

from benchmarks.resource_usage import measure_cpu_seconds, measure_peak_bytes
from connector.source import FullReadEnd, RecordBatch
from phpmyadmin_fetcher.login_sessions import LoginSessions
from phpmyadmin_fetcher.settings import PhpMyAdminFetcherSettings
from phpmyadmin_fetcher.source import PhpMyAdminSource
from platform_sdk.public_addresses import AllowedHost
from platform_sdk.session import FULL, FullReadState, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.phpmyadmin.http import create_http_client
from platforms.phpmyadmin.logins import PhpMyAdminLogin, TableOptions, encode_token
from platforms.phpmyadmin.names import build_table_names
from platforms.phpmyadmin.session import PhpMyAdminSession

_DEFAULTS = PhpMyAdminFetcherSettings.model_fields


@dataclass(frozen=True)
class TableRead:
    """What a read has brought and taken. `checksum` is the sum of the CRC-32 of all ids."""

    rows: int
    checksum: int
    seconds: float
    cpu_seconds: float
    requests: int
    received_bytes: int
    peak_bytes: int
    sync_id: str = ""
    state: str = ""


class _Span:
    def set_attribute(self, name: str, value: Any) -> None:
        """Take no notice."""


@contextmanager
def _trace(_method: str, _url: str) -> Iterator[_Span]:
    yield _Span()


async def read_by_source(
    login: PhpMyAdminLogin, table: str, *, pauses: bool, previous: dict[str, str] | None
) -> TableRead:
    """Read the table as the fetcher does. Without `pauses` nothing is waited for."""
    (account,) = build_table_names(login.url, login.server, login.database, [table])
    connection, responses = f"phpmyadmin:{account}", list[httpx.Response]()
    token = AccessToken(connection, 1, encode_token(login, TableOptions()))

    async def keep(response: httpx.Response) -> None:
        responses.append(response)

    async def refuse(*_: Any) -> AccessToken:
        raise RuntimeError("the login is refused")

    state = FullReadState(UUID(previous["sync_id"]), previous["state"]) if previous else None
    context = SyncContext(token, uuid4(), FULL, refuse, refuse, previous=state)
    rows = checksum = 0
    end = ""
    async with create_http_client([AllowedHost("127.0.0.1")], _resolve) as http:
        http.event_hooks = {"request": [], "response": [keep]}
        pace: dict[str, Any] = {"rows_per_second": _DEFAULTS["phpmyadmin_rows_per_second"].default}
        if not pauses:
            pace = {"rows_per_second": 10**9, "sleep": _wait_for_nothing}
        logins = LoginSessions(lambda one: PhpMyAdminSession(http, one, trace=_trace), **pace)
        source = PhpMyAdminSource(logins, max_bytes=_DEFAULTS["phpmyadmin_max_bytes"].default)
        began = time.monotonic()
        async for step in source.read_all(context, None):
            if isinstance(step, RecordBatch):
                rows += len(step.records)
                checksum += sum(crc32(record.id.encode()) for record in step.records)
            elif isinstance(step, FullReadEnd):
                end = step.state or ""
        seconds = time.monotonic() - began
        await logins.close_unused(idle_seconds=0.0)
    received = sum(response.num_bytes_downloaded for response in responses)
    return _build_read(rows, checksum, seconds, len(responses), received, str(context.read_id), end)


def read_by_script(login: PhpMyAdminLogin, table: str) -> TableRead:
    """Read the table as a script of an hour does: one export as CSV, in memory as a whole. Nothing proves its end."""
    began = time.monotonic()
    with httpx.Client(base_url=login.url, timeout=600) as http:
        form = http.get("/index.php").text
        token = re.findall(r'name="token" value="([^"]+)"', form)[-1]
        http.post(
            "/index.php?route=/",
            data={"token": token, "pma_username": login.username, "pma_password": login.password, "server": "1"},
        )
        found = re.search(r'token:"([^"]+)"', http.get("/index.php?route=/").text)
        assert found is not None
        fields = {"token": found[1], "server": "1", "db": login.database, "export_type": "raw", "what": "csv"}
        options = {"csv_separator": ",", "csv_enclosed": '"', "csv_escaped": '"', "csv_terminated": "AUTO"}
        more = {"output_format": "sendit", "filename_template": "x", "sql_query": f"SELECT * FROM {table}"}
        exported = http.post("/index.php?route=/export", data={**fields, **options, **more})
    rows = [line.partition('",')[0].strip('"') for line in exported.text.splitlines()]
    seconds = time.monotonic() - began
    checksum = sum(crc32(row.encode()) for row in rows)
    return _build_read(len(rows), checksum, seconds, 4, exported.num_bytes_downloaded)


def _build_read(
    rows: int, checksum: int, seconds: float, requests: int, received: int, sync_id: str = "", state: str = ""
) -> TableRead:
    own = os.getpid()
    cpu, peak = measure_cpu_seconds(own), measure_peak_bytes(own)
    return TableRead(rows, checksum, seconds, cpu, requests, received, peak, sync_id, state)


async def _resolve(_host: str, _port: int) -> list[IPv4Address]:
    return [IPv4Address("127.0.0.1")]


async def _wait_for_nothing(_seconds: float) -> None:
    return


def main() -> None:
    """Read what standard input says."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asked = json.loads(sys.stdin.readline())
    login = PhpMyAdminLogin(**asked["login"])
    if asked["how"] == "script":
        read = read_by_script(login, asked["table"])
    else:
        pauses = asked["how"] == "source with pauses"
        read = asyncio.run(read_by_source(login, asked["table"], pauses=pauses, previous=asked["previous"]))
    print(json.dumps(asdict(read)))


if __name__ == "__main__":
    main()
