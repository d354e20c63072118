"""Handles the deliveries of a platform's webhook: verifies them, publishes sync requests, and answers.

A status of 200 means that Kafka has acknowledged every sync request of the POST. All copies of a delivery have the same
sync id, so that a repeated delivery requests no second sync. When the process is killed before Kafka's acknowledgement,
it has not answered 200, and the platform delivers again.

`handle` runs for every delivery, so it must be fast. It calls the platform's `verify_and_parse_deliveries` and the
batching producer directly. It creates a task only when the store or the platform has to be asked.
"""

import asyncio
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial

import structlog

from contracts.events import parse_account
from contracts.topics import get_sync_topic
from gateway.erasure.service import ErasureService
from gateway.metrics import CountDelivery
from gateway.webhooks.connection_cache import ConnectionCache
from gateway.webhooks.deadlines import Deadlines
from gateway.webhooks.delivery_log import DeliveryLog
from gateway.webhooks.installations import Installations
from gateway.webhooks.sync_request import build_request_body, derive_sync_id
from messaging import tracing
from messaging.errors import UnavailableError
from platform_sdk.adapters import Webhooks
from platform_sdk.deliveries import Delivery, DeliveryKind
from platform_sdk.errors import RequestRejectedError, TokenRejectedError, TransientError
from platform_sdk.manifests import Manifest
from service.rate_limits import ClientRateLimiter

log = structlog.get_logger()

ANSWER_SECONDS = 3.0
"""The time limit from the end of the body to Kafka's acknowledgement; after it the answer is 503.

Platforms wait for about 5 s, and deliver again after a 503.
"""

Header = tuple[bytes, bytes]
Answer = Callable[[int], None]
"""Sends the HTTP status to the sender. It is called once for each POST."""
OnDelivery = Callable[[UnavailableError | None], None]
Publish = Callable[[str, bytes, bytes, Sequence[tuple[str, bytes]], OnDelivery, Callable[[], bool]], None]
"""Publishes a message without waiting, see `messaging.batching_producer.BatchingProducer.send`.

Arguments: topic, key, body, headers; a function that is called with None or the error once the outcome is known; and a
function that returns whether the message is no longer needed.
"""


@lru_cache(maxsize=4)
def _format_time(now: int) -> bytes:
    """Return a time (ms) in the format of CloudEvents. It is cached because many deliveries have the same time."""
    return datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds").encode()


class DeliveryBatch:
    """The deliveries of one POST, from their verification to the answer.

    The answer is 200 when every delivery is finished in time. It is 503 when one of them needs a redelivery: the
    platform then sends the POST again.
    """

    __slots__ = ("_answer", "_log", "_status", "_trace", "_unfinished", "is_finished", "task")

    def __init__(self, deliveries: Iterable[Delivery], answer: Answer, log: DeliveryLog) -> None:
        self._unfinished = list(deliveries)
        self._answer = answer
        self._log = log
        self._status = 200
        self._trace = tracing.get_log_fields()
        self.is_finished = False
        self.task: asyncio.Task[None] | None = None
        """The task that handles the deliveries, if they need one. `handle_timeout` cancels it."""

    def finish(self, delivery: Delivery, outcome: str, status: int = 200, **fields: str) -> None:
        """Log the outcome of a delivery. Answer the POST when this was its last unfinished delivery.

        A `status` other than 200 becomes the status of the answer. `fields` are further log fields. Does nothing when
        the POST is answered already.
        """
        if self.is_finished:
            return
        fields = {"connection": delivery.connection, **fields, **self._trace}
        self._log.log_and_count_delivery(
            delivery.topic, parse_account(delivery.connection), delivery.webhook_id, outcome, fields
        )
        if status != 200:
            self._status = status
        self._unfinished.remove(delivery)
        if not self._unfinished:
            self.is_finished = True
            self._answer(self._status)

    def finish_or_request_redelivery(self, delivery: Delivery, sync_id: str, error: UnavailableError | None) -> None:
        """Finish the delivery if Kafka has its sync request (`error` is None), otherwise request a redelivery."""
        if error is None:
            self.finish(delivery, "requested", sync_id=sync_id)
        else:
            self.request_redelivery(delivery, error)

    def request_redelivery(self, delivery: Delivery, error: Exception) -> None:
        """Finish a delivery with status 503, so that the platform sends it again."""
        self.finish(delivery, f"held: {type(error).__name__}", 503, reason=str(error)[:300])

    def handle_timeout(self) -> None:
        """Cancel the task that handles the deliveries, if any, and answer 503 when the time limit is over.

        The platform then sends the POST again.
        """
        if self.task is not None:
            self.task.cancel()
        for delivery in list(self._unfinished):
            self.request_redelivery(delivery, TimeoutError())

    def is_answered(self) -> bool:
        """Return whether the POST is answered, so that its sync requests need no longer be sent to Kafka."""
        return self.is_finished


class WebhookHandler:
    """Handles POSTs to `/<platform>/webhook`: verifies the deliveries, publishes or executes them, and answers."""

    def __init__(
        self,
        manifest: Manifest,
        webhooks: Webhooks,
        *,
        connections: ConnectionCache,
        publish: Publish,
        installations: Installations,
        erasure: ErasureService,
        count_delivery: CountDelivery,
        refusals: ClientRateLimiter,
        max_bytes: int,
        answer_seconds: float = ANSWER_SECONDS,
        source: str = "gateway",
    ) -> None:
        self.path = f"/{manifest.slug}/webhook"
        self.max_bytes = max_bytes
        self.answer_seconds = answer_seconds
        self._webhooks = webhooks
        self._topic = get_sync_topic(manifest.slug)
        self._connections = connections
        self._publish = publish
        self._installations = installations
        self._erasure = erasure
        self._refusals = refusals
        self._deadlines = Deadlines(answer_seconds)
        self._count_delivery = count_delivery
        self._log = DeliveryLog(source, manifest.account_noun, count_delivery)
        self._tasks: set[asyncio.Task[None]] = set()
        self._headers = [
            ("ce_specversion", b"1.0"),
            ("ce_type", b"merchant-sync.SyncRequested.v1"),
            ("ce_source", source.encode()),
            ("content-type", b"application/json"),
        ]

    def handle(self, headers: Sequence[Header], body: bytes, answer: Answer, *, peer: str) -> None:
        """Handle a POST and call `answer` with the HTTP status, now or later. Header names are in lower case.

        `peer` is the IP address from which the POST came.
        """
        try:
            deliveries = self._webhooks.verify_and_parse_deliveries(headers, body)
        except RequestRejectedError as error:
            answer(self.refuse(error.status, error.reason, headers, peer=peer))
            return
        except Exception as error:  # noqa: BLE001 - see `_log_fault`
            answer(self._log_fault(error))
            return
        batch = DeliveryBatch(deliveries, answer, self._log)
        self._deadlines.add(batch)
        slow = [delivery for delivery in deliveries if not self._try_handle_without_waiting(delivery, batch)]
        if slow:
            batch.task = task = asyncio.get_running_loop().create_task(self._handle_in_task(slow, batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif not deliveries:
            batch.is_finished = True
            answer(200)

    def refuse(self, status: int, reason: str, headers: Sequence[Header], *, peer: str) -> int:
        """Log and count a refused POST, and return the status to answer: `status`, or 429 for one of too many.

        One of too many from the same client is counted and not logged. The topic, account and delivery id are logged as
        the headers claim them, unverified, at most 200 bytes of each.
        """
        claims = dict(headers)
        topic, account, webhook_id = (
            claims.get(name, b"")[:200].decode("latin-1") for name in self._webhooks.claim_headers
        )
        outcome = f"refused {status}: {reason}"
        if self._refusals.take(peer, headers):
            self._count_delivery(topic, outcome)
            return 429
        self._log.log_and_count_delivery(topic, account, webhook_id, outcome)
        return status

    def _log_fault(self, error: Exception) -> int:
        """Log and count an error of our own in the handling of a POST. Return 500: the platform delivers it again."""
        # The error's text may show a part of the body.
        frames = "".join(traceback.format_tb(error.__traceback__))
        log.error("delivery not handled", path=self.path, error=type(error).__name__, traceback=frames)
        self._count_delivery("", f"held: {type(error).__name__}")
        return 500

    def _try_handle_without_waiting(self, delivery: Delivery, batch: DeliveryBatch) -> bool:
        """Publish the delivery's sync request or drop the delivery, if possible without waiting.

        Return whether it was possible. It is not possible when the store or the platform has to be asked first.
        """
        kind = delivery.kind
        if kind is DeliveryKind.RECORDS:
            epoch = self._connections.get_cached_epoch(delivery.connection)
            if epoch is None:
                return False
            self._publish_request(delivery, epoch, batch)
        elif kind is DeliveryKind.PROBE:
            self._publish_request(delivery, 0, batch)
        elif kind is DeliveryKind.UNKNOWN:
            batch.finish(delivery, "dropped: unknown topic")
        else:
            return False
        return True

    async def _handle_in_task(self, deliveries: Sequence[Delivery], batch: DeliveryBatch) -> None:
        """Handle the deliveries about records, with one database query, and then those about the app, one by one."""
        if records := [delivery for delivery in deliveries if delivery.kind is DeliveryKind.RECORDS]:
            await self._publish_requests(records, batch)
        for delivery in deliveries:
            if delivery.kind is DeliveryKind.RECORDS:
                continue
            try:
                outcome = await self._handle_app_event(delivery)
            except (UnavailableError, TransientError, TokenRejectedError, TimeoutError) as error:
                batch.request_redelivery(delivery, error)
            else:
                batch.finish(delivery, outcome)

    async def _publish_requests(self, deliveries: Sequence[Delivery], batch: DeliveryBatch) -> None:
        """Publish the sync requests of deliveries whose connections' epochs are not in the cache.

        The epochs (numbers that rise when a connection ends) are read with one query, because one POST may hold a
        thousand deliveries. Deliveries for connections that are not live are dropped.
        """
        try:
            epochs = await self._connections.load_live_epochs({delivery.connection for delivery in deliveries})
        except UnavailableError as error:
            for delivery in deliveries:
                batch.request_redelivery(delivery, error)
            return
        for delivery in deliveries:
            epoch = epochs.get(delivery.connection)
            if epoch is None:
                batch.finish(delivery, "dropped: not connected")
            else:
                self._publish_request(delivery, epoch, batch)

    async def _handle_app_event(self, delivery: Delivery) -> str:
        """Handle a delivery about the app itself, such as an uninstall, and return the outcome to log.

        Raises UnavailableError, TransientError, TokenRejectedError or TimeoutError when the platform has to send the
        delivery again.
        """
        name = delivery.connection
        if delivery.kind is DeliveryKind.SCOPES_CHANGED:
            return await self._installations.update_scopes(name)
        if delivery.kind in (DeliveryKind.CUSTOMER_DELETION, DeliveryKind.CUSTOMER_DATA):
            return await self._erasure.record_customer_request(delivery)
        # Twice, because a delivery that arrives during the removal may put the connection into the cache again.
        self._connections.forget(name)
        outcome = await self._handle_removal(delivery)
        self._connections.forget(name)
        return outcome

    async def _handle_removal(self, delivery: Delivery) -> str:
        if delivery.kind is DeliveryKind.ACCOUNT_DELETION:
            return await self._erasure.redact_unless_installed(delivery)
        return await self._installations.uninstall_unless_token_works(delivery.connection, delivery.triggered_at)

    def _publish_request(self, delivery: Delivery, epoch: int, batch: DeliveryBatch) -> None:
        now, name, sync_id = time.time_ns() // 1_000_000, delivery.connection.encode(), derive_sync_id(delivery)
        headers = [
            *self._headers,
            ("ce_id", sync_id.encode()),
            ("ce_subject", name),
            ("ce_time", _format_time(now)),
        ]
        body = build_request_body(delivery, sync_id, epoch, now)
        on_delivery = partial(batch.finish_or_request_redelivery, delivery, sync_id)
        self._publish(self._topic, name, body, headers, on_delivery, batch.is_answered)
