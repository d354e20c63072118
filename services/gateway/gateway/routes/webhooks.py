"""Deliveries: a raw ASGI route before everything else, answered by Kafka's word and by nothing less.

Every copy of a delivery gives the same sync id, so that redelivery (ours and the platform's) is one sync. Killed
before Kafka's word, no 200 was sent, and the platform delivers again.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from contracts.events import account_of
from contracts.topics import sync_requested
from gateway.deadlines import Deadlines
from gateway.deliveries import Delivery, Kind, Unacceptable, request_body, sync_id
from gateway.installations import Installations
from gateway.live import LiveConnections
from gateway.platforms import Platform
from gateway.problems import PlatformAway, TokenRefused
from gateway.routes.delivery_log import DeliveryLog
from gateway.sealing import Unsealable
from messaging.errors import Away

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

ANSWER_SECONDS = 3.0
"""From the first byte to Kafka's word; Shopify waits for 5 s, and comes again after a 503."""

_JSON = (b"content-type", b"application/json")


class Publish(Protocol):
    """Kafka's word on one message. Raises `Away`."""

    async def __call__(
        self, topic: str, key: bytes | None, body: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Returns when all replicas have it."""


def _answer(status: int, body: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    sent = orjson.dumps(body)
    headers = [_JSON, (b"content-length", str(len(sent)).encode())]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": sent}


_ANSWERS = {
    200: _answer(200, {"status": "success"}),
    400: _answer(400, {"status": "error", "reason": "malformed delivery"}),
    401: _answer(401, {"status": "error", "reason": "signature"}),
    408: _answer(408, {"status": "error", "reason": "the body did not come"}),
    413: _answer(413, {"status": "error", "reason": "too large"}),
    503: _answer(503, {"status": "error", "reason": "try again"}),
}


class Webhooks:
    """Takes `POST /<platform>/webhook` itself and passes everything else on to `app`."""

    def __init__(
        self,
        app: Asgi,
        platform: Platform,
        *,
        live: LiveConnections,
        publish: Publish,
        installations: Installations,
        max_bytes: int,
        answer_seconds: float = ANSWER_SECONDS,
        source: str = "gateway",
    ) -> None:
        self._app = app
        self._platform = platform
        self._path = f"/{platform.slug}/webhook"
        self._topic = sync_requested(platform.slug)
        self._live = live
        self._publish = publish
        self._installations = installations
        self._max_bytes = max_bytes
        self._deadlines = Deadlines(answer_seconds)
        self._log = DeliveryLog(source)
        self._headers = [
            ("ce_specversion", b"1.0"),
            ("ce_type", b"merchant-sync.SyncRequested.v1"),
            ("ce_source", source.encode()),
            ("content-type", b"application/json"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        status = await self._handled(scope, receive)
        start, body = _ANSWERS[status]
        await send(start)
        await send(body)

    @property
    def counts(self) -> Counter[str]:
        """Deliveries by outcome since the process began."""
        return self._log.counts

    async def _handled(self, scope: Scope, receive: Receive) -> int:
        """The status of the answer."""
        delivery = None
        try:
            with self._deadlines.begin():
                body = await _body(scope["headers"], receive, self._max_bytes)
                delivery = self._platform.read_delivery(scope["headers"], body)
                outcome = await self._carried_out(delivery)
        except Unacceptable as refused:
            return self._refused(refused.status, str(refused), scope)
        except (Away, PlatformAway, TokenRefused, Unsealable, TimeoutError) as away:
            if delivery is None:
                return self._refused(408, "the body did not come", scope)
            return self._logged(503, delivery, f"held: {type(away).__name__}")
        return self._logged(200, delivery, outcome)

    async def _carried_out(self, delivery: Delivery) -> str:
        """Do what the delivery asks for; the outcome for the log. Raises when it must come again."""
        kind = delivery.kind
        if kind is Kind.RECORDS or kind is Kind.TEST:
            return await self._requested(delivery)
        if kind is Kind.UNINSTALLED:
            self._live.forget(delivery.connection)
            outcome = await self._installations.uninstall(delivery.connection, delivery.triggered_at)
            self._live.forget(delivery.connection)
            return outcome
        if kind is Kind.SCOPES:
            return await self._installations.rescope(delivery.connection)
        return "acknowledged" if kind is Kind.COMPLIANCE else "dropped: unknown topic"

    async def _requested(self, delivery: Delivery) -> str:
        name = delivery.connection
        epoch = self._live.believed(name)
        if epoch is None:
            epoch = await self._live.epoch(name)
            if epoch is None:
                return "dropped: not connected"
        sync = sync_id(delivery)
        body = request_body(delivery, sync, epoch, time.time_ns() // 1_000_000)
        await self._publish(self._topic, name.encode(), body, self._cloud_event(name, sync))
        return "requested"

    def _cloud_event(self, name: str, sync: str) -> list[tuple[str, bytes]]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").encode()
        return [*self._headers, ("ce_id", sync.encode()), ("ce_subject", name.encode()), ("ce_time", now)]

    def _logged(self, status: int, delivery: Delivery, outcome: str) -> int:
        self._log.line(delivery.topic, account_of(delivery.connection), delivery.webhook_id, outcome)
        return status

    def _refused(self, status: int, reason: str, scope: Scope) -> int:
        """Log a delivery that is nobody's for certain: its headers are only claims, cut short."""
        topic, account, webhook_id = (_claim(scope["headers"], name) for name in self._platform.claims)
        self._log.line(topic, account, webhook_id, f"refused {status}: {reason}")
        return status


def _claim(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str:
    return next((value[:200].decode("latin-1") for given, value in headers if given == name), "")


async def _body(headers: Sequence[tuple[bytes, bytes]], receive: Receive, limit: int) -> bytes:
    """The raw body, nearly always one piece. Raises `Unacceptable` (413) as soon as it is known to be too large."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise Unacceptable(413, "the body is too large")
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request":
        if len(body) > limit:
            raise Unacceptable(413, "the body is too large")
        if not message.get("more_body"):
            return body
        message = await receive()
        body += message.get("body", b"")
    raise Unacceptable(408, "the sender went away")
