"""Which connections are live, for deliveries: read from the store, and cached for five seconds."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import NamedTuple

from gateway.connections import Connection

CACHE_SECONDS = 5.0
_MAX_ENTRIES = 50_000


LoadConnections = Callable[[Collection[str]], Awaitable[Iterable[Connection]]]
"""Returns those connections of these names that exist."""


class CachedEpoch(NamedTuple):
    """A live connection's epoch, and until when it is taken for true."""

    epoch: int
    until: float


class ConnectionCache:
    """The epochs of live connections. Only live ones are cached; for all others the store is read every time.

    `clock` returns seconds that never go back. An uninstall that another process handled is seen within five seconds.
    A request that is published meanwhile has the lower epoch, which the fetcher and the spaces-writer refuse.
    """

    def __init__(self, load_connections: LoadConnections, clock: Callable[[], float]) -> None:
        self._load_connections = load_connections
        self._clock = clock
        self._entries: dict[str, CachedEpoch] = {}

    def get_epoch(self, name: str) -> int | None:
        """Return the epoch of a connection that is cached as live; None where the store has to be read."""
        entry = self._entries.get(name)
        return entry.epoch if entry is not None and entry.until > self._clock() else None

    async def load_epochs(self, names: Collection[str]) -> dict[str, int]:
        """Return the epochs of those that are live, read with one query. Raises UnavailableError."""
        live = {row.name: row.epoch for row in await self._load_connections(names) if row.is_live}
        if len(self._entries) + len(live) > _MAX_ENTRIES:
            self._entries.clear()
        for name in names:
            self._entries.pop(name, None)
        until = self._clock() + CACHE_SECONDS
        self._entries.update({name: CachedEpoch(epoch, until) for name, epoch in live.items()})
        return live

    def forget(self, name: str) -> None:
        """Remove a connection, so that the store is read the next time."""
        self._entries.pop(name, None)
