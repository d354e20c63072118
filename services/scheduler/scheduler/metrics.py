"""What the scheduler shows to an operator: syncs by state, the age of the oldest, and how long merchants wait."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry

from contracts.events import parse_platform
from messaging.errors import UnavailableError
from scheduler.store.overview import Overview, overview

if TYPE_CHECKING:
    from messaging.outbox import Transaction

MODES = ("records", "full")
ENDED = ("success", "failed", "cancelled")
BUCKETS = (0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
KEPT_SECONDS = 10.0
"""So long one look at the ledger serves all scrapes."""
LOOK_SECONDS = 2.0


@dataclass
class Happened:
    """What one transaction has done, to be counted once it is committed."""

    ended: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Syncs by platform, mode and state."""
    waited: list[tuple[str, float]] = field(default_factory=list)
    """(platform, seconds) of webhooks whose snapshot is stored."""

    def end(self, connection: str, modes: Iterable[str], state: str) -> None:
        """Syncs of these modes have ended."""
        self.ended.update((parse_platform(connection), mode, state) for mode in modes)

    def store(self, connection: str, accepted: Sequence[datetime], stored_at: int) -> None:
        """Webhooks that were accepted then are in the snapshot stored at `stored_at` (ms). One that is younger than
        the snapshot had nothing to bring."""
        seconds = [stored_at / 1000 - moment.timestamp() for moment in accepted]
        self.waited += [(parse_platform(connection), waited) for waited in seconds if waited >= 0]


Count = Callable[[Happened], None]


class Metrics:
    """Those of one scheduler. What only the ledger knows every scheduler shows; where there are two, take the highest.
    The series of these `platforms` are there from the start."""

    def __init__(self, registry: CollectorRegistry, platforms: Iterable[str]) -> None:
        self._platforms = tuple(platforms)
        self._ended = prometheus.Counter(
            "merchant_sync_syncs_ended", "Syncs that have ended.", ("platform", "mode", "state"), registry=registry
        )
        self._waited = prometheus.Histogram(
            "merchant_sync_webhook_to_snapshot_seconds",
            "From a webhook's acceptance until the snapshot that holds its change is stored.",
            ("platform",),
            buckets=BUCKETS,
            registry=registry,
        )
        self._open = prometheus.Gauge(
            "merchant_sync_syncs_open", "Syncs that have not ended.", ("platform", "mode", "state"), registry=registry
        )
        self._oldest = prometheus.Gauge(
            "merchant_sync_oldest_unfinished_seconds",
            "Age of the oldest sync that has not ended; 0 where there is none.",
            ("platform", "mode"),
            registry=registry,
        )
        self._connections = prometheus.Gauge(
            "merchant_sync_connections", "Connections by state.", ("platform", "state"), registry=registry
        )
        for platform in self._platforms:
            self._waited.labels(platform)
            for mode, state in ((mode, state) for mode in MODES for state in ENDED):
                self._ended.labels(platform, mode, state)

    def count(self, happened: Happened) -> None:
        """Count what was committed."""
        for labels, syncs in happened.ended.items():
            self._ended.labels(*labels).inc(syncs)
        for platform, seconds in happened.waited:
            self._waited.labels(platform).observe(seconds)

    def show(self, seen: Overview | None) -> None:
        """Show what a look at the ledger has seen; None: it does not answer, and what it knew is shown no longer."""
        for gauge in (self._open, self._oldest, self._connections):
            gauge.clear()
        if seen is None:
            return
        oldest = {(platform, mode): 0.0 for platform in self._platforms for mode in MODES}
        for one in seen.open:
            self._open.labels(one.platform, one.mode, one.state).set(one.syncs)
            oldest[one.platform, one.mode] = max(oldest.get((one.platform, one.mode), 0.0), one.age)
        for labels, age in oldest.items():
            self._oldest.labels(*labels).set(age)
        for standing in seen.connections:
            self._connections.labels(standing.platform, standing.state).set(standing.connections)


class Looking:
    """Looks at the ledger for a scrape, at most every ten seconds, and not for long."""

    def __init__(
        self,
        transaction: "Transaction",
        show: Callable[[Overview | None], None],
        *,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transaction = transaction
        self._show = show
        self._elapsed = elapsed
        self._looked: float | None = None

    async def look(self) -> None:
        """Show the ledger as it is, or that it does not answer."""
        if self._looked is not None and self._elapsed() - self._looked < KEPT_SECONDS:
            return
        self._looked = self._elapsed()
        self._show(await self._seen())

    async def _seen(self) -> Overview | None:
        try:
            async with asyncio.timeout(LOOK_SECONDS), self._transaction() as tx:
                return await overview(tx)
        except (UnavailableError, TimeoutError):
            return None
