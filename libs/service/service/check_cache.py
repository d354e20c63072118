"""Keeps the results of readiness checks for a moment, so that strangers cannot cause work by asking often."""

import asyncio
from collections.abc import Mapping

from service.process import Check

KEPT_SECONDS = 2.0


def cache_checks(checks: Mapping[str, Check], seconds: float = KEPT_SECONDS) -> dict[str, Check]:
    """Return `checks` so that each runs at most once in `seconds`, however often and by however many it is called.

    Calls while a check runs, and in the seconds after it, get its result.
    """
    return {name: _CachedCheck(check, seconds) for name, check in checks.items()}


class _CachedCheck:
    def __init__(self, check: Check, seconds: float) -> None:
        self._check = check
        self._seconds = seconds
        self._run: asyncio.Task[str | None] | None = None
        self._kept_until = 0.0

    async def __call__(self) -> str | None:
        """Run the check or return its last result."""
        loop = asyncio.get_running_loop()
        if self._run is None or (self._run.done() and loop.time() >= self._kept_until):
            self._run = loop.create_task(self._run_once())
        # A caller that goes away must not cancel the check of the others.
        return await asyncio.shield(self._run)

    async def _run_once(self) -> str | None:
        try:
            return await self._check()
        finally:
            self._kept_until = asyncio.get_running_loop().time() + self._seconds
