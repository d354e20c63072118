"""Lets many wait for the next change of a connection at the cost of one."""

import asyncio

Signal = asyncio.Future[None]
"""Completes with the next change. It is shared, so it must never be cancelled: wait for it with `wait_for_signals`."""


class SignalTable:
    """One signal for each connection that somebody waits for, however many they are."""

    def __init__(self) -> None:
        self._signals: dict[str, Signal] = {}

    def watch(self, connection: str) -> Signal:
        """Return the signal that completes with the next change of the connection.

        Take it before looking at what is waited for: a change between the look and the wait is then not missed.
        """
        signal = self._signals.get(connection)
        if signal is None:
            signal = self._signals[connection] = asyncio.get_running_loop().create_future()
        return signal

    def notify(self, connection: str) -> None:
        """Complete the connection's present signal. Whoever watches after this gets a new one."""
        signal = self._signals.pop(connection, None)
        if signal is not None:
            signal.set_result(None)


async def wait_for_signals(*signals: Signal, seconds: float) -> bool:
    """Wait until one of `signals` completes. Return False if none does within `seconds`."""
    done, _ = await asyncio.wait(signals, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)
