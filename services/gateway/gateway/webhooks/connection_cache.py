"""Which connections are live, as far as a delivery must know: asked of the store, and believed for five seconds."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import NamedTuple

from gateway.connections import Connection

BELIEVED_SECONDS = 5.0
_MOST = 50_000


Ask = Callable[[Collection[str]], Awaitable[Iterable[Connection]]]
"""Gives those connections of these names that there are."""


class Live(NamedTuple):
    """A live connection's epoch, and until when this is believed."""

    epoch: int
    until: float


class LiveConnections:
    """Answers by name. Only good answers are kept; who is not connected is asked about every time.

    `ask` is the store's; `clock` is seconds that never go back. Another process's uninstall is seen within five
    seconds; what is said meanwhile carries the lower epoch, which the fetcher and the writer refuse.
    """

    def __init__(self, ask: Ask, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._kept: dict[str, Live] = {}

    def believed(self, name: str) -> int | None:
        """The epoch of a connection that is known to be live; None where the store has to be asked."""
        kept = self._kept.get(name)
        return kept.epoch if kept is not None and kept.until > self._clock() else None

    async def epochs(self, names: Collection[str]) -> dict[str, int]:
        """The epochs of those that are live, asked for all at once, however many. Raises `StoreAway`."""
        live = {row.name: row.epoch for row in await self._ask(names) if row.live}
        if len(self._kept) + len(live) > _MOST:
            self._kept.clear()
        for name in names:
            self._kept.pop(name, None)
        until = self._clock() + BELIEVED_SECONDS
        self._kept.update({name: Live(epoch, until) for name, epoch in live.items()})
        return live

    def forget(self, name: str) -> None:
        """Ask the store the next time."""
        self._kept.pop(name, None)
