"""A cache of the live connections' epochs, read from the store and kept for five seconds.

An epoch is a number of a connection that rises with each uninstall and redaction (deletion of all data).
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import NamedTuple

from gateway.connections import Connection

CACHE_SECONDS = 5.0
_MAX_ENTRIES = 50_000


LoadConnections = Callable[[Collection[str]], Awaitable[Iterable[Connection]]]
"""Returns the connections that exist among these names."""


class CachedEpoch(NamedTuple):
    """A live connection's epoch, and the time on the cache's clock (s) at which the entry expires."""

    epoch: int
    until: float


class ConnectionCache:
    """Caches the epochs of live (connected) connections. All others are read from the store every time.

    An epoch is the number that each uninstall and redaction raises. An uninstall that another process handled is seen
    here within five seconds. A sync request that is published in these seconds has the lower epoch, so the fetcher and
    the spaces-writer refuse it. `clock` returns seconds that never go back.
    """

    def __init__(self, load_connections: LoadConnections, clock: Callable[[], float]) -> None:
        self._load_connections = load_connections
        self._clock = clock
        self._entries: dict[str, CachedEpoch] = {}

    def get_cached_epoch(self, name: str) -> int | None:
        """Return a connection's epoch (the number that rises when the connection ends) if it is cached as live.

        Returns None where the store has to be read.
        """
        entry = self._entries.get(name)
        return entry.epoch if entry is not None and entry.until > self._clock() else None

    async def load_live_epochs(self, names: Collection[str]) -> dict[str, int]:
        """Read these connections with one query, and return the epochs of the live ones by name.

        The returned epochs are cached. Raises UnavailableError when the database is unavailable.
        """
        live = {row.name: row.epoch for row in await self._load_connections(names) if row.is_live}
        if len(self._entries) + len(live) > _MAX_ENTRIES:
            self._entries.clear()
        for name in names:
            self._entries.pop(name, None)
        until = self._clock() + CACHE_SECONDS
        self._entries.update({name: CachedEpoch(epoch, until) for name, epoch in live.items()})
        return live

    def forget(self, name: str) -> None:
        """Remove a connection from the cache, so that the next delivery reads it from the store."""
        self._entries.pop(name, None)
