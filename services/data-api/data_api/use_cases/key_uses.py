"""Tells the gateway now and then when keys were last used."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from contracts.events import ApiKey
from data_api.access import ApiCaller, get_time_ms
from messaging.errors import UnavailableError

REPORT_SECONDS = 60.0

ReportUse = Callable[[Mapping[UUID, int]], Awaitable[None]]


class KeyUseReporter:
    """Notes the last use of each key. What is not reported yet is lost when the process is killed."""

    def __init__(self, report_use: ReportUse, now: Callable[[], int] = get_time_ms) -> None:
        self._report_use = report_use
        self._now = now
        self._used: dict[UUID, int] = {}

    def note(self, caller: ApiCaller) -> None:
        """Note that a key is used now. An operator's key is not the gateway's."""
        if isinstance(caller.key, ApiKey):
            self._used[caller.key.id] = self._now()

    async def report(self) -> bool:
        """Report the uses since the last report, and return False: there is no more to do.

        Raises `UnavailableError` when the gateway does not answer. The next report then has them too.
        """
        used, self._used = self._used, {}
        if used:
            try:
                await self._report_use(used)
            except UnavailableError:
                self._used = {**used, **self._used}
                raise
        return False
