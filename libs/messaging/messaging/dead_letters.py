"""Messages that could not be handled: kept whole beside their topic, with the error and the attempt."""

import structlog
from aiokafka import ConsumerRecord

from contracts.topics import DEAD_LETTER_SUFFIX, dead_letters
from messaging.publisher import Publisher

log = structlog.get_logger()


class DeadLetters:
    """Says dead letters, and blows its fuse after `fuse` in a row, for then the fault is ours and not the messages'."""

    def __init__(self, publisher: Publisher, *, fuse: int = 25) -> None:
        self._publisher = publisher
        self._fuse = fuse
        self._in_a_row = 0
        self.kept = 0
        """How many were said since the start."""

    @property
    def blown(self) -> bool:
        """Whether consuming must stop until an operator has looked."""
        return self._in_a_row >= self._fuse

    def passed(self) -> None:
        """A message was handled: the row is broken. A blown fuse stays blown."""
        if not self.blown:
            self._in_a_row = 0

    async def keep(self, record: "ConsumerRecord[bytes, bytes]", error: Exception, *, group: str) -> None:
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
        await self._publisher.send_raw(dead_letters(record.topic), record.key, record.value, headers)
        self._in_a_row += 1
        self.kept += 1
        log.error("message dead-lettered", topic=record.topic, offset=record.offset, error=type(error).__name__)
