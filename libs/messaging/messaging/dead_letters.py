"""Messages that could not be handled: kept whole beside their topic, with the error and the attempt."""

import structlog
from aiokafka import ConsumerRecord

from contracts.topics import DEAD_LETTER_SUFFIX, get_dead_letter_topic
from messaging.publisher import EventPublisher

log = structlog.get_logger()


class DeadLetterPublisher:
    """Says dead letters, and blows its fuse after `fuse` in a row, for then the fault is ours and not the messages'."""

    def __init__(self, publisher: EventPublisher, *, threshold: int = 25) -> None:
        self._publisher = publisher
        self._fuse = threshold
        self._in_a_row = 0
        self.count = 0
        """How many were said since the start."""

    @property
    def is_open(self) -> bool:
        """Whether consuming must stop until an operator has looked."""
        return self._in_a_row >= self._fuse

    def record_success(self) -> None:
        """A message was handled: the row is broken. A blown fuse stays blown."""
        if not self.is_open:
            self._in_a_row = 0

    async def publish(self, record: "ConsumerRecord[bytes, bytes]", error: Exception, *, group: str) -> None:
        """Keep `record` on its dead-letter topic; raises `KafkaAway` when that cannot be done.

        A dead letter that cannot be handled stays where it is: it is kept already.
        """
        if record.topic.endswith(DEAD_LETTER_SUFFIX):
            log.error(
                "dead letter not understood", topic=record.topic, offset=record.offset, error=type(error).__name__
            )
            return
        reason = f"{type(error).__name__}: {error}"[:1000]
        headers = [
            *record.headers,
            ("dlq-topic", record.topic.encode()),
            ("dlq-partition", str(record.partition).encode()),
            ("dlq-offset", str(record.offset).encode()),
            ("dlq-group", group.encode()),
            ("dlq-error", reason.encode("ascii", "replace")),
        ]
        await self._publisher.send_raw(get_dead_letter_topic(record.topic), record.key, record.value, headers)
        self._in_a_row += 1
        self.count += 1
        log.error("message dead-lettered", topic=record.topic, offset=record.offset, error=type(error).__name__)
