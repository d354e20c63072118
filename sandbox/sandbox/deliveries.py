"""Delivers webhooks, up to 64 at the same time. Each is sent until its receiver accepts it or no retry is left."""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

MAXIMUM_IN_FLIGHT = 64
_LOG_SIZE = 100_000


@dataclass(slots=True)
class Delivery:
    """One webhook that is sent, if necessary several times, to the receiver of one webhook subscription.

    `id` is the same on every retry. `event` is the same for all deliveries of one change. `due` is the time of the next
    attempt, in Unix seconds. `status` is pending, delivered, failed (the last attempt failed) or dropped (a
    fault prevents it from being sent). `history` has an entry for each attempt: `at`, `seconds` and `outcome`. `pages`
    are the Facebook Pages whose changes the body contains.
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

    def build_report(self) -> dict[str, Any]:
        """Build the entry for this delivery in the list of deliveries that the control API returns."""
        return {
            "id": self.id, "topic": self.topic, "status": self.status, "attempts": self.attempts, "uri": self.uri,
            "event": self.event, "triggered_at": self.triggered_at, "history": self.history,
        }  # fmt: skip


Send = Callable[[Delivery], Awaitable[tuple[bool, str]]]
RecordAttempt = Callable[[Delivery], None]
ComputeDelay = Callable[[int], float | None]


class Dispatcher:
    """Sends every webhook delivery when it is due.

    - `send` sends one delivery. It returns whether the receiver accepted it, and the outcome for the log.
    - `record_attempt` is called after each attempt. The delivery's status is then delivered, pending or failed.
    - `compute_delay` gets the number of the failed attempt (1 is the first). It returns the seconds until the next
      attempt, or None if no further attempt is made.
    - `log` holds the most recent deliveries of every status, oldest first.
    """

    def __init__(self, send: Send, record_attempt: RecordAttempt, compute_delay: ComputeDelay) -> None:
        self._send = send
        self._record_attempt = record_attempt
        self._compute_delay = compute_delay
        self._heap: list[tuple[float, int, Delivery]] = []
        self._held: dict[str, list[Delivery]] = {}
        self._sequence = 0
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(MAXIMUM_IN_FLIGHT)
        self._running: set[asyncio.Task[None]] = set()
        self.log: deque[Delivery] = deque(maxlen=_LOG_SIZE)

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Add deliveries to the log, and send those that are pending when they are due.

        Call it in the thread of the event loop.
        """
        for delivery in deliveries:
            self.log.append(delivery)
            if delivery.status == "pending":
                self._schedule(delivery)
        self._wake.set()

    def count_pending(self) -> int:
        """Return the number of deliveries that wait for an attempt or are being sent."""
        return len(self._heap) + len(self._running) + sum(map(len, self._held.values()))

    def hold_retries(self, shop: str) -> None:
        """Let the retries of a shop's deliveries wait for `release_retries`, however long that takes."""
        self._held.setdefault(shop, [])

    def release_retries(self, shop: str) -> None:
        """Send the deliveries at once whose retries wait. Does nothing if none were to wait."""
        for delivery in self._held.pop(shop, ()):
            delivery.due = time.time()
            self._schedule(delivery)
        self._wake.set()

    async def run(self) -> None:
        """Send deliveries until the task is cancelled."""
        while True:
            delivery = await self._wait_for_due_delivery()
            await self._slots.acquire()
            task = asyncio.create_task(self._attempt(delivery))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _schedule(self, delivery: Delivery) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (delivery.due, self._sequence, delivery))

    async def _wait_for_due_delivery(self) -> Delivery:
        while True:
            self._wake.clear()
            seconds = self._heap[0][0] - time.time() if self._heap else None
            if seconds is not None and seconds <= 0:
                return heapq.heappop(self._heap)[2]
            try:
                await asyncio.wait_for(self._wake.wait(), seconds)
            except TimeoutError:
                continue

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            started = time.time()
            is_accepted, outcome = await self._send(delivery)
            delivery.attempts += 1
            delivery.history.append({"at": started, "seconds": round(time.time() - started, 4), "outcome": outcome})
            self._finish_attempt(delivery, is_accepted)
        finally:
            self._slots.release()

    def _finish_attempt(self, delivery: Delivery, is_accepted: bool) -> None:
        delay = None if is_accepted else self._compute_delay(delivery.attempts)
        if delay is None:
            # The log outlives the delivery: without its body it takes little memory.
            delivery.status, delivery.body = "delivered" if is_accepted else "failed", b""
        else:
            delivery.due = time.time() + delay
            if delivery.shop in self._held:
                self._held[delivery.shop].append(delivery)
            else:
                self._schedule(delivery)
                self._wake.set()
        self._record_attempt(delivery)
