"""Dead letters have the whole message, and the headers that the contracts describe."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from contracts.headers import DEAD_LETTER
from messaging.dead_letters import DeadLetterPublisher


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
    message: Any = SimpleNamespace(
        topic="data.stored", key=b"k", value=b"{", partition=3, offset=9, headers=[("ce_id", b"e1")]
    )
    await DeadLetterPublisher(publisher).publish(message, ValueError("no JSON"), group="scheduler")
    ((topic, key, body, headers),) = publisher.sent
    assert (topic, key, body, headers[0]) == ("data.stored.dlq", b"k", b"{", ("ce_id", b"e1"))
    assert [name for name, _ in headers[1:]] == list(DEAD_LETTER)
    assert dict(headers)["dlq-error"] == b"ValueError: no JSON"
