"""The doctor: every look at an installation, in the order in which things depend on each other."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import httpx

from merchant_sync.access import Access
from merchant_sync.operating.checks import (
    Finding,
    bad,
    bucket,
    clocks,
    connections,
    database,
    doors,
    kafka,
    services,
    settings,
)
from merchant_sync.parts import StackError

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
Progress = Callable[[int, int], None]
Looks = dict[str, Callable[[], Iterator[Finding]]]


def examine(access: Access, *, sample: int, progress: Progress) -> Iterator[Finding]:
    """All findings, each as soon as it is known. What lacks a setting is a finding, and ends none of the others."""
    with httpx.Client(timeout=TIMEOUT, follow_redirects=False) as http:
        looks: Looks = {
            "settings": lambda: settings.look(access),
            "Kafka": lambda: _all(kafka.look(access)),
            "Postgres": lambda: _all(database.look(access)),
            "bucket": lambda: bucket.look(access),
            "clocks": lambda: clocks.look(access, http=http),
            "doors": lambda: doors.look(access, http=http),
            "services": lambda: services.look(access, http=http),
            "connections": lambda: connections.look(access, sample=sample, progress=progress),
        }
        for what, look in looks.items():
            try:
                yield from look()
            except StackError as error:
                yield bad(what, "cannot be looked at", str(error))
            except Exception as error:  # noqa: BLE001 what breaks one look must not hide what the others would find
                yield bad(what, f"cannot be looked at: {type(error).__name__}", "look at its settings")


def _all(findings: AsyncIterator[Finding]) -> Iterator[Finding]:
    async def gathered() -> list[Finding]:
        return [finding async for finding in findings]

    yield from asyncio.run(gathered())
