"""Publishes messages that could not be handled to the dead letter topic of their topic."""

import structlog
from aiokafka import ConsumerRecord

from contracts.topics import DEAD_LETTER_SUFFIX, get_dead_letter_topic
from messaging.errors import ForeignMessageError, InvalidMessageError
from messaging.publisher import EventPublisher

log = structlog.get_logger()
MAX_REASON_LENGTH = 1000


class DeadLetterPublisher:
    """Publishes dead letters: messages that could not be handled. After `threshold` in a row, a circuit breaker opens.

    The consumer then stops consuming until an operator restarts the service. So many failures in a row suggest that the
    service is at fault, not the messages. A `ForeignMessageError` does not count, because the message is at fault.
    """

    def __init__(self, publisher: EventPublisher, *, threshold: int = 25) -> None:
        self._publisher = publisher
        self._threshold = threshold
        self._failures_in_a_row = 0
        self.count = 0
        """The number of dead letters that were published since the process started."""

    @property
    def is_breaker_open(self) -> bool:
        """Whether too many dead letters came in a row, so that consuming must stop until the process restarts."""
        return self._failures_in_a_row >= self._threshold

    def record_success(self) -> None:
        """Count the dead letters in a row from zero again, because a message was handled.

        A circuit breaker that is open stays open.
        """
        if not self.is_breaker_open:
            self._failures_in_a_row = 0

    async def publish(self, record: "ConsumerRecord[bytes, bytes]", error: Exception, *, group: str) -> None:
        """Publish `record` unchanged to the dead letter topic of its topic.

        Additional headers name its topic, partition and offset, the consumer `group` and the `error`. If `record` comes
        from a dead letter topic itself, it is only logged. Raises `UnavailableError` when Kafka does not answer.
        """
        cause = {"error": type(error).__name__}
        if isinstance(error, InvalidMessageError):
            # The texts of other errors stay in the dead letter: those of a database driver may show records.
            cause["reason"] = str(error)
        if record.topic.endswith(DEAD_LETTER_SUFFIX):
            log.error("dead letter could not be handled", topic=record.topic, offset=record.offset, **cause)
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
        self._failures_in_a_row += not isinstance(error, ForeignMessageError)
        self.count += 1
        log.error("message dead-lettered", topic=record.topic, offset=record.offset, **cause)
