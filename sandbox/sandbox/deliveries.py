"""Delivering webhooks: many at once, each on its own schedule of retries, until it is accepted or given up."""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

RETRIES = 8
IN_FLIGHT = 64
_FIRST_DELAY = 4 * 3_600 / (2**RETRIES - 1)
_REMEMBERED = 100_000


@dataclass(slots=True)
class Delivery:
    """One webhook on its way. `id` is the same on every retry; `event` is shared by all deliveries of one change.
    `pages` are those that a delivery of Facebook's tells of.
    """

    id: str
    shop: str
    subscription: int
    topic: str
    uri: str
    body: bytes
    event: str
    triggered_at: str
    api_version: str
    due: float = 0.0
    attempts: int = 0
    status: str = "pending"
    history: list[dict[str, Any]] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """What the log says of it."""
        return {
            "id": self.id, "topic": self.topic, "status": self.status, "attempts": self.attempts, "uri": self.uri,
            "event": self.event, "triggered_at": self.triggered_at, "history": self.history,
        }  # fmt: skip


def retry_delay(attempt: int, scale: float) -> float | None:
    """Seconds from the failed `attempt` (1 is the first) to the next, as Shopify waits: doubling, four hours for all
    eight retries; None when it is given up.
    """
    return float(_FIRST_DELAY * 2 ** (attempt - 1) * scale) if attempt <= RETRIES else None


Send = Callable[[Delivery], Awaitable[tuple[bool, str]]]
Settle = Callable[[Delivery], None]
Delay = Callable[[int], float | None]


class Dispatcher:
    """Sends what is due. `send` says whether a delivery was accepted, and how it went; `settle` is told after each
    attempt, when the delivery's status is delivered, pending (again) or failed. `delay` says after how many seconds
    an attempt that failed, counted from 1, is made again, or None.
    """

    def __init__(self, send: Send, settle: Settle, delay: Delay) -> None:
        self._send = send
        self._settle = settle
        self._delay = delay
        self._heap: list[tuple[float, int, Delivery]] = []
        self._sequence = 0
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._running: set[asyncio.Task[None]] = set()
        self.log: deque[Delivery] = deque(maxlen=_REMEMBERED)

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Take deliveries on; to be called in the loop's own thread."""
        for delivery in deliveries:
            self.log.append(delivery)
            if delivery.status == "pending":
                self._push(delivery)
        self._wake.set()

    def pending(self) -> int:
        """How many are waiting or under way."""
        return len(self._heap) + len(self._running)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            delivery = await self._next()
            await self._slots.acquire()
            task = asyncio.create_task(self._attempt(delivery))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _push(self, delivery: Delivery) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (delivery.due, self._sequence, delivery))

    async def _next(self) -> Delivery:
        while True:
            self._wake.clear()
            wait = self._heap[0][0] - time.time() if self._heap else None
            if wait is not None and wait <= 0:
                return heapq.heappop(self._heap)[2]
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            started = time.time()
            accepted, outcome = await self._send(delivery)
            delivery.attempts += 1
            delivery.history.append({"at": started, "seconds": round(time.time() - started, 4), "outcome": outcome})
            self._conclude(delivery, accepted)
        finally:
            self._slots.release()

    def _conclude(self, delivery: Delivery, accepted: bool) -> None:
        delay = None if accepted else self._delay(delivery.attempts)
        if delay is None:
            delivery.status, delivery.body = "delivered" if accepted else "failed", b""
        else:
            delivery.due = time.time() + delay
            self._push(delivery)
            self._wake.set()
        self._settle(delivery)
