"""Run all checks of `merchant-sync doctor`. A check comes after the checks of what it depends on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx

from merchant_sync.access import Access
from merchant_sync.operating.checks import (
    Finding,
    backlog,
    bucket,
    clocks,
    connections,
    database,
    disks,
    endpoints,
    kafka,
    links,
    report_bad,
    services,
    settings,
    uploads,
)
from merchant_sync.parts import StackError

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
OnProgress = Callable[[int, int], None]
"""A function that is called with the number of merchants' connections checked so far, and with their total."""
Checks = dict[str, Callable[[], Iterator[Finding]]]


def examine(access: Access, data_dir: Path, *, sample: int, on_progress: OnProgress) -> Iterator[Finding]:
    """Run all checks and yield their findings. A check that raises an error becomes a finding, too.

    `data_dir` is the folder of the stack, if it runs here. `sample` is how many connections of each platform are
    checked. `on_progress` is called with the number of connections checked so far, and with their total.
    """
    with httpx.Client(timeout=TIMEOUT, follow_redirects=False) as http:
        checks: Checks = {
            "settings": lambda: settings.check(access),
            "Kafka": lambda: _collect(kafka.check(access)),
            "Postgres": lambda: _collect(database.check(access)),
            "bucket": lambda: bucket.check(access),
            "clocks": lambda: clocks.check(access, http=http),
            "endpoints": lambda: endpoints.check(access, http=http),
            "services": lambda: services.check(access, http=http),
            "dead letters": lambda: backlog.check_dead_letters(access),
            "uploads": lambda: uploads.check(access),
            "disks": lambda: disks.check(access, data_dir),
            "links": lambda: links.check(access),
            "connections": lambda: connections.check(access, sample=sample, on_progress=on_progress),
        }
        for subject, check in checks.items():
            try:
                yield from check()
            except StackError as error:
                yield report_bad(subject, "cannot be checked", str(error))
            except Exception as error:  # noqa: BLE001 what breaks one check must not hide the findings of the others
                yield report_bad(subject, f"cannot be checked: {type(error).__name__}", "correct its settings")


def _collect(findings: AsyncIterator[Finding]) -> Iterator[Finding]:
    async def collect() -> list[Finding]:
        return [finding async for finding in findings]

    yield from asyncio.run(collect())
