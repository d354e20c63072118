"""A message speaks of the connection that is its key, on a topic of that connection's platform; all else is refused."""

from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from consumer_bench import Bench, Note, wait_until
from contracts.events import ConnectionChanged
from messaging.errors import ForeignMessageError
from messaging.message_checks import check_epochs, check_subject

SHOP, OTHER, PAGE = "shop-platform:acme", "shop-platform:other", "pages:1"


class Claim(Note):
    connection: str


@pytest.mark.parametrize("topic", ["sync.requested.{}", "sync.progressed.{}", "data.fetched.{}"])
@pytest.mark.parametrize("suffix", ["", ".full", ".dlq", ".full.dlq"])
def test_a_platforms_topic_has_connections_of_that_platform_only(topic: str, suffix: str) -> None:
    check_subject(topic.format("pages") + suffix, PAGE, {"connection": PAGE})
    with pytest.raises(ForeignMessageError, match="not one of pages"):
        check_subject(topic.format("pages") + suffix, SHOP, Claim(text="", connection=SHOP))
    with pytest.raises(ForeignMessageError, match="not one of pages"):
        check_subject(topic.format("pages") + suffix, SHOP, {})


@pytest.mark.parametrize("topic", ["connection.changed", "data.stored", "data.stored.dlq", "data.fetched.pages"])
def test_an_event_is_about_the_connection_that_is_its_key(topic: str) -> None:
    check_subject(topic, PAGE, Claim(text="", connection=PAGE))
    for event in (Claim(text="", connection=OTHER), {"connection": OTHER}):
        with pytest.raises(ForeignMessageError, match="another connection"):
            check_subject(topic, PAGE, event)


def change(revision: int, epoch: int) -> ConnectionChanged:
    return ConnectionChanged(connection=SHOP, revision=revision, epoch=epoch, state="connected")


def test_epochs_rise_with_revisions_and_old_revisions_are_not_compared() -> None:
    check_epochs([change(3, 2), change(2, 1), change(5, 7), change(4, 2)], revision=2, epoch=2)
    for events in ([change(3, 1)], [change(3, 5), change(4, 4)]):
        with pytest.raises(ForeignMessageError, match="after epoch"):
            check_epochs(events, revision=2, epoch=2)


@pytest.mark.integration
async def test_foreign_messages_are_dead_lettered_with_one_line_each_and_do_not_stop_the_consumer(bench: Bench) -> None:
    handled: list[str] = []

    async def handle(_key: str, events: Sequence[Claim]) -> None:
        handled.extend(event.text for event in events)

    wrong = Claim(text="wrong", connection=OTHER).model_dump_json().encode()
    for _ in range(5):
        await bench.publisher.send_raw(bench.topic, SHOP.encode(), wrong, [])
    await bench.publisher.send_raw(bench.topic, None, wrong, [])
    right = Claim(text="right", connection=SHOP).model_dump_json().encode()
    await bench.publisher.send_raw(bench.topic, SHOP.encode(), right, [])
    consumer: Any = bench.create_consumer(handle, parse=Claim.model_validate_json, threshold=2)
    with structlog.testing.capture_logs() as lines:
        await consumer.start()
        await wait_until(lambda: handled == ["right"] and consumer.dead_letter_count == 6)
        await consumer.stop(0.5)
    errors = [line for line in lines if line["log_level"] == "error"]
    assert [(line["event"], line["error"]) for line in errors] == [("message dead-lettered", "ForeignMessageError")] * 6
    assert all("another connection" in line["reason"] for line in errors)
    assert await bench.read_dead_letters() == [wrong] * 6
