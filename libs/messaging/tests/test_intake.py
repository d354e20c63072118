"""Keyed intake against a real Kafka: order, coalescing, dead letters, holding, redelivery."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from intake_bench import Bench, Said, until
from messaging.brokers import Brokers
from messaging.errors import KafkaUnavailableError, MessageTooLargeError, UnavailableError
from messaging.keyed_consumer import ConsumerLimits
from messaging.metrics import ConsumerMetrics
from messaging.publisher import EventPublisher, OutboundMessage

pytestmark = pytest.mark.integration


async def test_each_key_keeps_its_order_while_keys_go_side_by_side(bench: Bench) -> None:
    heard: dict[str, list[str]] = {}

    async def handle(key: str, events: Sequence[Said]) -> None:
        await asyncio.sleep(0.001)
        heard.setdefault(key, []).extend(e.text for e in events)

    async with bench.taking(handle):
        for n in range(50):
            for key in ("a", "b", "c"):
                await bench.say(key, str(n))
        await until(lambda: sum(map(len, heard.values())) == 150)
    assert heard == {key: [str(n) for n in range(50)] for key in ("a", "b", "c")}


async def test_what_gathers_behind_a_busy_key_comes_as_one_batch_and_holds_no_other_up(bench: Bench) -> None:
    busy, batches, quick = asyncio.Event(), [], asyncio.Event()

    async def handle(key: str, events: Sequence[Said]) -> None:
        if key == "quick":
            quick.set()
            return
        batches.append(len(events))
        await busy.wait()

    async with bench.taking(handle):
        await bench.say("slow", "first")
        await until(lambda: batches == [1])
        await bench.say("slow", *map(str, range(300)))
        await bench.say("quick", "now")
        await asyncio.wait_for(quick.wait(), 10)
        busy.set()
        await until(lambda: sum(batches) == 301)
    assert batches == [1, 300]


async def test_a_poison_message_is_buried_alone_and_its_partition_goes_on(bench: Bench) -> None:
    heard: list[str] = []

    async def handle(_key: str, events: Sequence[Said]) -> None:
        if any(e.text == "poison" for e in events):
            raise RuntimeError("cannot")
        heard.extend(e.text for e in events)

    await bench.say("a", "one", "poison", "two")
    async with bench.taking(handle) as intake:
        await until(lambda: heard == ["one", "two"])
        registry = CollectorRegistry()
        registry.register(ConsumerMetrics([intake]))
        assert registry.get_sample_value("merchant_sync_dead_letters_total", {"group": "test"}) == 1
    assert await bench.buried() == [Said(text="poison").model_dump_json().encode()]


async def test_a_body_that_breaks_the_contract_is_buried_before_any_handler_sees_it(bench: Bench) -> None:
    heard: list[str] = []

    async def handle(_key: str, events: Sequence[Said]) -> None:
        heard.extend(e.text for e in events)

    await bench.publisher.send_raw(bench.topic, b"a", b'{"text": ', [])
    await bench.say("a", "good")
    async with bench.taking(handle):
        await until(lambda: heard == ["good"])
    assert await bench.buried() == [b'{"text": ']


async def test_work_is_held_while_something_is_away_and_nothing_is_buried(bench: Bench) -> None:
    away, tried, heard = True, 0, []

    async def handle(_key: str, events: Sequence[Said]) -> None:
        nonlocal tried
        tried += 1
        if away:
            raise UnavailableError("the store is down")
        heard.extend(e.text for e in events)

    await bench.say("a", "kept")
    async with bench.taking(handle) as intake:
        await until(lambda: tried >= 2)
        assert intake.health_error == "Away: the store is down"
        away = False
        await until(lambda: heard == ["kept"])
        assert intake.health_error is None
    assert await bench.buried() == []


class Impatient(UnavailableError):
    patience = 0.5


async def test_what_is_held_beyond_its_patience_is_buried(bench: Bench) -> None:
    async def handle(_key: str, _events: Sequence[Said]) -> None:
        raise Impatient("nobody knows this connection")

    await bench.say("a", "lost")
    async with bench.taking(handle):
        await asyncio.sleep(3)
    assert await bench.buried() == [Said(text="lost").model_dump_json().encode()]


async def test_what_was_not_finished_comes_again_after_a_restart(bench: Bench) -> None:
    async def stuck(_key: str, _events: Sequence[Said]) -> None:
        await asyncio.sleep(60)

    heard: list[str] = []

    async def handle(_key: str, events: Sequence[Said]) -> None:
        heard.extend(e.text for e in events)

    await bench.say("a", "unfinished")
    async with bench.taking(stuck):
        await asyncio.sleep(1)
    async with bench.taking(handle):
        await until(lambda: heard == ["unfinished"])
    heard.clear()
    async with bench.taking(handle):
        await bench.say("a", "next")
        await until(lambda: heard == ["next"])


async def test_many_dead_letters_in_a_row_blow_the_fuse(bench: Bench) -> None:
    async def handle(_key: str, _events: Sequence[Said]) -> None:
        raise RuntimeError("our own fault")

    await bench.say("a", *map(str, range(10)))
    async with bench.taking(handle, fuse=3, limits=ConsumerLimits(batch=1)) as intake:
        await until(lambda: intake.health_error is not None)
        await asyncio.sleep(0.5)
    assert len(await bench.buried()) == 3


async def test_a_blown_fuse_ends_within_a_batch_too_and_what_was_not_tried_comes_again(bench: Bench) -> None:
    tried, heard = list[str](), list[str]()

    async def fail(_key: str, events: Sequence[Said]) -> None:
        tried.extend(event.text for event in events if len(events) == 1)
        raise RuntimeError("our own fault")

    async def hear(_key: str, events: Sequence[Said]) -> None:
        heard.extend(event.text for event in events)

    texts = [str(number) for number in range(10)]
    await bench.say("a", *texts)
    async with bench.taking(fail, fuse=3) as intake:
        await until(lambda: intake.health_error is not None)
        await asyncio.sleep(0.5)
    assert (tried, len(await bench.buried())) == (texts[:3], 3)
    async with bench.taking(hear):
        await until(lambda: heard == texts[3:])


async def test_a_message_over_the_limit_is_refused_by_name(bench: Bench) -> None:
    big = OutboundMessage(bench.topic, "shopify:big", Said(text="x" * (17 * 1024 * 1024)), "1")
    with pytest.raises(MessageTooLargeError, match="shopify:big"):
        await bench.publisher.send(big)


async def test_a_publisher_without_kafka_says_that_it_is_away() -> None:
    with pytest.raises(KafkaUnavailableError):
        async with EventPublisher(Brokers("127.0.0.1:1"), source="test"):
            pass
