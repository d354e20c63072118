"""Publishes messages that could not be handled to the dead letter topic of their topic."""

import structlog
from aiokafka import ConsumerRecord

from contracts.topics import DEAD_LETTER_SUFFIX, get_dead_letter_topic
from messaging.circuit_breaker import CircuitBreaker
from messaging.publisher import EventPublisher

log = structlog.get_logger()
MAX_REASON_LENGTH = 1000


class DeadLetterPublisher:
    """Publishes dead letters. After `threshold` in a row its circuit breaker opens and consuming must stop.

    So many failures in a row point to a fault of the service, not of the messages: an operator has to look first.
    """

    def __init__(self, publisher: EventPublisher, *, threshold: int = 25) -> None:
        self._publisher = publisher
        self._breaker = CircuitBreaker(threshold)
        self.count = 0
        """How many dead letters were published since the start."""

    @property
    def is_open(self) -> bool:
        """Whether the circuit breaker is open: consuming must stop until an operator has looked."""
        return self._breaker.is_open

    def record_success(self) -> None:
        """Tell the circuit breaker that a message was handled."""
        self._breaker.record_success()

    async def publish(self, record: "ConsumerRecord[bytes, bytes]", error: Exception, *, group: str) -> None:
        """Publish `record` unchanged, with headers that name its origin, the consumer `group` and the `error`.

        A record that already comes from a dead letter topic stays there and is only logged. Raises
        `UnavailableError`.
        """
        if record.topic.endswith(DEAD_LETTER_SUFFIX):
            log.error(
                "dead letter could not be handled", topic=record.topic, offset=record.offset, error=type(error).__name__
            )
            return
        reason = f"{type(error).__name__}: {error}"[:MAX_REASON_LENGTH]
        headers = [
            *record.headers,
            ("dlq-topic", record.topic.encode()),
            ("dlq-partition", str(record.partition).encode()),
            ("dlq-offset", str(record.offset).encode()),
            ("dlq-group", group.encode()),
            ("dlq-error", reason.encode("ascii", "replace")),
        ]
        await self._publisher.send_raw(get_dead_letter_topic(record.topic), record.key, record.value, headers)
        self._breaker.record_failure()
        self.count += 1
        log.error("message dead-lettered", topic=record.topic, offset=record.offset, error=type(error).__name__)
