"""The metrics of the data API."""

import asyncio
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from service.process import Check


class DataApiMetrics:
    """The metrics of one process. `checks` are the readiness checks of its parts by name."""

    def __init__(self, registry: CollectorRegistry, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._ready = Gauge(
            "merchant_sync_data_api_ready", "Whether a part answers: 1 or 0.", ["part"], registry=registry
        )

    async def refresh(self) -> None:
        """Run all checks, and set the gauge of each part."""
        errors = await asyncio.gather(*(check() for check in self._checks.values()))
        for part, error in zip(self._checks, errors, strict=True):
            self._ready.labels(part).set(error is None)
