"""Connects the accounts that the installation's own settings name, without a browser and without an operator."""

from collections.abc import Callable, Iterable

import structlog

from gateway.connect.grants import GrantService
from messaging.errors import UnavailableError
from platform_sdk.adapters import OwnAccounts
from platform_sdk.errors import PermanentError, RequestRejectedError, TransientError

log = structlog.get_logger()

RETRY_SECONDS = 60.0
REPEAT_LOG_SECONDS = 600.0
"""How long the same reason is not logged again."""


class OwnAccountsConnector:
    """Connects one platform's own accounts once, and tries again each minute until that has succeeded.

    A refusal ends the attempts until the process starts again, because the settings stay what they are, and a platform
    may lock a login that is tried too often. `elapsed` returns seconds of a monotonic clock.
    """

    def __init__(self, slug: str, own: OwnAccounts, grants: GrantService, *, elapsed: Callable[[], float]) -> None:
        self._slug = slug
        self._own = own
        self._grants = grants
        self._elapsed = elapsed
        self._is_done = False
        self._tried_at: float | None = None
        self._logged: tuple[str, float] | None = None

    async def connect_once(self) -> None:
        """Connect the accounts, unless that is done, was refused, or was tried less than a minute ago."""
        now = self._elapsed()
        if self._is_done or (self._tried_at is not None and now - self._tried_at < RETRY_SECONDS):
            return
        self._tried_at = now
        try:
            accounts = await self._grants.store_own_accounts(await self._own.request_grants(), self._own.merchant)
        except (RequestRejectedError, PermanentError) as error:
            self._is_done = True
            log.warning("own accounts refused until the next start", platform=self._slug, reason=error.reason)
        except (TransientError, UnavailableError) as error:
            self._log_failure(str(error), now)
        else:
            self._is_done = True
            log.info("own accounts connected", platform=self._slug, granted=[one.connection for one in accounts])

    def _log_failure(self, reason: str, now: float) -> None:
        if self._logged is None or self._logged[0] != reason or now - self._logged[1] >= REPEAT_LOG_SECONDS:
            self._logged = (reason, now)
            log.warning("own accounts not connected yet", platform=self._slug, reason=reason)


async def connect_own_accounts(connectors: Iterable[OwnAccountsConnector]) -> bool:
    """Let each connector connect its accounts. Returns False: nothing is left that should run before the next interval.

    This is the step of a periodic task.
    """
    for connector in connectors:
        await connector.connect_once()
    return False
