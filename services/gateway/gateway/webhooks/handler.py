"""Reception: what becomes of a POST of deliveries, answered by Kafka's word and by nothing less.

Every copy of a delivery gives the same sync id, so that redelivery (ours and the platform's) is one sync. Killed
before Kafka's word, no 200 was sent, and the platform delivers again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Protocol

from contracts.events import parse_account
from contracts.topics import get_sync_topic
from gateway.erasure.service import Departures
from gateway.errors import PlatformAway, TokenRefused
from gateway.metrics import CountDelivery
from gateway.platforms import Platform
from gateway.tokens.encryption import Unsealable
from gateway.webhooks.connection_cache import LiveConnections
from gateway.webhooks.deadlines import Deadlines
from gateway.webhooks.delivery_log import DeliveryLog
from gateway.webhooks.installations import Installations
from gateway.webhooks.sync_request import Delivery, Kind, Unacceptable, request_body, sync_id
from messaging import tracing
from messaging.errors import UnavailableError

ANSWER_SECONDS = 3.0
"""From the whole body to Kafka's word; Shopify waits for 5 s, and comes again after a 503."""

Header = tuple[bytes, bytes]
Answer = Callable[[int], None]
"""Gives the sender the status. Called once."""


class Give(Protocol):
    """Hands a message to Kafka; `told` hears its word: None, or why it has not got it. `dropped` is not sent."""

    def __call__(
        self,
        topic: str,
        key: bytes,
        body: bytes,
        headers: Sequence[tuple[str, bytes]],
        on_delivery: Callable[[UnavailableError | None], None],
        is_cancelled: Callable[[], bool],
    ) -> None:
        """Returns at once."""


class Receiving(Protocol):
    """What takes the POSTs of one path."""

    path: str
    max_bytes: int
    answer_seconds: float

    @property
    def refused(self) -> "Callable[[int, str, Iterable[Header]], int]":
        """Logs a POST that is refused before it is taken; gives its status."""

    @property
    def take(self) -> "Callable[[Sequence[Header], bytes, Answer], None]":
        """Takes a whole POST."""


@lru_cache(maxsize=4)
def _written(now: int) -> bytes:
    """A moment (ms) as CloudEvents writes it; many deliveries share one."""
    return datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds").encode()


class Post:
    """One POST on its way to its answer: 200 when all of its deliveries have come to their end in time, else 503."""

    __slots__ = ("_answer", "_log", "_status", "_trace", "_waiting", "ended", "work")

    def __init__(self, deliveries: Iterable[Delivery], answer: Answer, log: DeliveryLog) -> None:
        self._waiting = list(deliveries)
        self._answer = answer
        self._log = log
        self._status = 200
        self._trace = tracing.get_log_fields()
        self.ended = False
        self.work: asyncio.Task[None] | None = None
        """What is broken off when the time is over."""

    def done(self, delivery: Delivery, outcome: str, status: int = 200, **named: str) -> None:
        """A delivery has come to its end."""
        if self.ended:
            return
        named = {"connection": delivery.connection, **named, **self._trace}
        self._log.line(delivery.topic, parse_account(delivery.connection), delivery.webhook_id, outcome, named)
        if status != 200:
            self._status = status
        self._waiting.remove(delivery)
        if not self._waiting:
            self.ended = True
            self._answer(self._status)

    def told(self, delivery: Delivery, sync: str, word: UnavailableError | None) -> None:
        """Kafka's word on a delivery that asks for the sync `sync`."""
        if word is None:
            self.done(delivery, "requested", sync_id=sync)
        else:
            self.held(delivery, word)

    def held(self, delivery: Delivery, why: Exception) -> None:
        """A delivery must come again."""
        self.done(delivery, f"held: {type(why).__name__}", 503)

    def over(self) -> None:
        """The time is over: what has not come to its end must come again."""
        if self.work is not None:
            self.work.cancel()
        for delivery in list(self._waiting):
            self.held(delivery, TimeoutError())

    def has_ended(self) -> bool:
        """Whether the answer was given."""
        return self.ended


class Reception:
    """Takes what is POSTed to `/<platform>/webhook`."""

    def __init__(
        self,
        platform: Platform,
        *,
        live: LiveConnections,
        give: Give,
        installations: Installations,
        departures: Departures,
        count: CountDelivery,
        max_bytes: int,
        answer_seconds: float = ANSWER_SECONDS,
        source: str = "gateway",
    ) -> None:
        self.path = f"/{platform.slug}/webhook"
        self.max_bytes = max_bytes
        self.answer_seconds = answer_seconds
        self._platform = platform
        self._topic = get_sync_topic(platform.slug)
        self._live = live
        self._give = give
        self._installations = installations
        self._departures = departures
        self._deadlines = Deadlines(answer_seconds)
        self._log = DeliveryLog(source, platform.account, count)
        self._tasks: set[asyncio.Task[None]] = set()
        self._headers = [
            ("ce_specversion", b"1.0"),
            ("ce_type", b"merchant-sync.SyncRequested.v1"),
            ("ce_source", source.encode()),
            ("content-type", b"application/json"),
        ]

    def take(self, headers: Sequence[Header], body: bytes, answer: Answer) -> None:
        """Do what the deliveries ask for; `answer` gets the status when it is known. Header names are in lower case."""
        try:
            deliveries = self._platform.read_deliveries(headers, body)
        except Unacceptable as refused:
            answer(self.refused(refused.status, str(refused), headers))
            return
        post = Post(deliveries, answer, self._log)
        self._deadlines.begin(post)
        later = [delivery for delivery in deliveries if not self._begun(delivery, post)]
        if later:
            post.work = task = asyncio.get_running_loop().create_task(self._later(later, post))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif not deliveries:
            post.ended = True
            answer(200)

    def refused(self, status: int, reason: str, headers: Iterable[Header]) -> int:
        """Log a POST that is nobody's for certain: its headers are only claims, cut short. Gives `status`."""
        claimed = dict(headers)
        topic, account, webhook_id = (claimed.get(name, b"")[:200].decode("latin-1") for name in self._platform.claims)
        self._log.line(topic, account, webhook_id, f"refused {status}: {reason}")
        return status

    def _begun(self, delivery: Delivery, post: Post) -> bool:
        """Whether nothing has to be asked before the delivery can go to Kafka, or nowhere; then it is on its way."""
        kind = delivery.kind
        if kind is Kind.RECORDS:
            epoch = self._live.believed(delivery.connection)
            if epoch is None:
                return False
            self._request(delivery, epoch, post)
        elif kind is Kind.TEST:
            self._request(delivery, 0, post)
        elif kind is Kind.UNKNOWN:
            post.done(delivery, "dropped: unknown topic")
        else:
            return False
        return True

    async def _later(self, deliveries: Sequence[Delivery], post: Post) -> None:
        """Deliveries for which the store or the platform has to be asked: together for those that ask for records, one
        after the other for what is about the app itself."""
        if records := [delivery for delivery in deliveries if delivery.kind is Kind.RECORDS]:
            await self._requested(records, post)
        for delivery in deliveries:
            if delivery.kind is Kind.RECORDS:
                continue
            try:
                outcome = await self._carried_out(delivery)
            except (UnavailableError, PlatformAway, TokenRefused, Unsealable, TimeoutError) as away:
                post.held(delivery, away)
            else:
                post.done(delivery, outcome)

    async def _requested(self, deliveries: Sequence[Delivery], post: Post) -> None:
        """Requests of connections that are not believed to be live: of one batch there may be a thousand."""
        try:
            epochs = await self._live.epochs({delivery.connection for delivery in deliveries})
        except UnavailableError as away:
            for delivery in deliveries:
                post.held(delivery, away)
            return
        for delivery in deliveries:
            epoch = epochs.get(delivery.connection)
            if epoch is None:
                post.done(delivery, "dropped: not connected")
            else:
                self._request(delivery, epoch, post)

    async def _carried_out(self, delivery: Delivery) -> str:
        """Do what the delivery says of the app itself; the outcome. Raises when it must come again."""
        name = delivery.connection
        if delivery.kind is Kind.SCOPES:
            return await self._installations.rescope(name)
        if delivery.kind in (Kind.CUSTOMER_DELETION, Kind.CUSTOMER_DATA):
            return await self._departures.customer_asked(delivery)
        self._live.forget(name)
        outcome = await self._gone(delivery)
        self._live.forget(name)
        return outcome

    async def _gone(self, delivery: Delivery) -> str:
        if delivery.kind is Kind.ACCOUNT_DELETION:
            return await self._departures.redact(delivery)
        return await self._installations.uninstall(delivery.connection, delivery.triggered_at)

    def _request(self, delivery: Delivery, epoch: int, post: Post) -> None:
        now, name, sync = time.time_ns() // 1_000_000, delivery.connection.encode(), sync_id(delivery)
        headers = [*self._headers, ("ce_id", sync.encode()), ("ce_subject", name), ("ce_time", _written(now))]
        body = request_body(delivery, sync, epoch, now)
        self._give(self._topic, name, body, headers, partial(post.told, delivery, sync), post.has_ended)
