"""Dead letters have the whole message and the headers that the contracts describe; many in a row stop the consumer."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from contracts.headers import DEAD_LETTER
from messaging.dead_letters import DeadLetterPublisher

MESSAGE: Any = SimpleNamespace(
    topic="data.stored", key=b"k", value=b"{", partition=3, offset=9, headers=[("ce_id", b"e1")]
)


class FakePublisher:
    """Collects what is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send_raw(
        self, topic: str, key: bytes | None, body: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        self.sent.append((topic, key, body, headers))


async def test_a_dead_letter_is_the_message_with_the_reason_in_its_headers() -> None:
    publisher: Any = FakePublisher()
    await DeadLetterPublisher(publisher).publish(MESSAGE, ValueError("no JSON"), group="scheduler")
    ((topic, key, body, headers),) = publisher.sent
    assert (topic, key, body, headers[0]) == ("data.stored.dlq", b"k", b"{", ("ce_id", b"e1"))
    assert [name for name, _ in headers[1:]] == list(DEAD_LETTER)
    assert dict(headers)["dlq-error"] == b"ValueError: no JSON"


async def publish_times(dead_letters: DeadLetterPublisher, count: int) -> None:
    for _ in range(count):
        await dead_letters.publish(MESSAGE, ValueError("no JSON"), group="scheduler")


async def test_the_breaker_opens_at_the_threshold_and_stays_open() -> None:
    publisher: Any = FakePublisher()
    dead_letters = DeadLetterPublisher(publisher, threshold=2)
    await publish_times(dead_letters, 1)
    assert not dead_letters.is_breaker_open
    await publish_times(dead_letters, 1)
    assert dead_letters.is_breaker_open
    dead_letters.record_success()
    assert dead_letters.is_breaker_open


async def test_a_success_starts_the_count_of_dead_letters_in_a_row_again() -> None:
    publisher: Any = FakePublisher()
    dead_letters = DeadLetterPublisher(publisher, threshold=2)
    await publish_times(dead_letters, 1)
    dead_letters.record_success()
    await publish_times(dead_letters, 1)
    assert not dead_letters.is_breaker_open
