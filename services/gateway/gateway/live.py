"""Which connections are live, as far as a delivery must know: asked of the store, and believed for five seconds."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.connections import Connection

BELIEVED_SECONDS = 5.0
_MOST = 50_000


class Live(NamedTuple):
    """A live connection's epoch, and until when this is believed."""

    epoch: int
    until: float


class LiveConnections:
    """Answers by name. Only good answers are kept; who is not connected is asked about every time.

    `ask` is the store's; `clock` is seconds that never go back. Another process's uninstall is seen within five
    seconds; what is said meanwhile carries the lower epoch, which the fetcher and the writer refuse.
    """

    def __init__(self, ask: Callable[[str], Awaitable[Connection | None]], clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._kept: dict[str, Live] = {}

    def believed(self, name: str) -> int | None:
        """The epoch of a connection that is known to be live; None where the store has to be asked."""
        kept = self._kept.get(name)
        return kept.epoch if kept is not None and kept.until > self._clock() else None

    async def epoch(self, name: str) -> int | None:
        """The epoch of a live connection; None when it is not live. Raises `StoreAway`."""
        row = await self._ask(name)
        if row is None or not row.live:
            self._kept.pop(name, None)
            return None
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[name] = Live(row.epoch, self._clock() + BELIEVED_SECONDS)
        return row.epoch

    def forget(self, name: str) -> None:
        """Ask the store the next time."""
        self._kept.pop(name, None)
