"""What could not be handled is kept whole, with the headers that the contracts describe."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from contracts.headers import DEAD_LETTER
from messaging.dead_letters import DeadLetterPublisher


class Kept:
    """A publisher that remembers."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send_raw(
        self, topic: str, key: bytes | None, body: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        self.sent.append((topic, key, body, headers))


async def test_a_dead_letter_is_the_message_and_why_it_is_there() -> None:
    kept: Any = Kept()
    message: Any = SimpleNamespace(
        topic="data.stored", key=b"k", value=b"{", partition=3, offset=9, headers=[("ce_id", b"e1")]
    )
    await DeadLetterPublisher(kept).publish(message, ValueError("no JSON"), group="scheduler")
    ((topic, key, body, headers),) = kept.sent
    assert (topic, key, body, headers[0]) == ("data.stored.dlq", b"k", b"{", ("ce_id", b"e1"))
    assert [name for name, _ in headers[1:]] == list(DEAD_LETTER)
    assert dict(headers)["dlq-error"] == b"ValueError: no JSON"
