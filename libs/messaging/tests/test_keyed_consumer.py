"""`KeyedConsumer` against a real Kafka: order, batches, dead letters, holding, redelivery."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.errors import GroupAuthorizationFailedError
from prometheus_client import CollectorRegistry

from consumer_bench import Bench, Note, wait_until
from contracts.topics import Topic
from messaging.brokers import Brokers
from messaging.consumers import run_consumers
from messaging.errors import InvalidMessageError, UnavailableError
from messaging.keyed_consumer import ConsumerLimits
from messaging.metrics import ConsumerMetrics
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher, OutboundMessage

pytestmark = pytest.mark.integration
DEAD_LETTERS = "merchant_sync_dead_letters_total"
LAG = "merchant_sync_consumer_lag"


async def test_messages_of_a_key_keep_their_order_while_keys_are_handled_concurrently(bench: Bench) -> None:
    handled: dict[str, list[str]] = {}

    async def handle(key: str, events: Sequence[Note]) -> None:
        await asyncio.sleep(0)
        handled.setdefault(key, []).extend(e.text for e in events)

    async with bench.run_consumer(handle):
        for n in range(50):
            for key in ("a", "b", "c"):
                await bench.publish(key, str(n))
        await wait_until(lambda: sum(map(len, handled.values())) == 150)
    assert handled == {key: [str(n) for n in range(50)] for key in ("a", "b", "c")}


async def test_messages_that_wait_for_a_busy_key_become_one_batch_and_delay_no_other_key(bench: Bench) -> None:
    busy, batches, quick = asyncio.Event(), [], asyncio.Event()

    async def handle(key: str, events: Sequence[Note]) -> None:
        if key == "quick":
            quick.set()
            return
        batches.append(len(events))
        await busy.wait()

    async with bench.run_consumer(handle):
        await bench.publish("slow", "first")
        await wait_until(lambda: batches == [1])
        await bench.publish("slow", *map(str, range(300)))
        await bench.publish("quick", "now")
        await asyncio.wait_for(quick.wait(), 10)
        busy.set()
        await wait_until(lambda: sum(batches) == 301)
    assert batches == [1, 300]


async def test_the_lag_counts_what_waits_in_kafka_behind_what_is_in_memory(bench: Bench) -> None:
    begun, busy = asyncio.Event(), asyncio.Event()

    async def handle(_key: str, _events: Sequence[Note]) -> None:
        begun.set()
        await busy.wait()

    await bench.publish("a", *map(str, range(300)))
    async with bench.run_consumer(handle, limits=ConsumerLimits(batch=10, buffered=20)) as consumer:
        registry = CollectorRegistry()
        registry.register(ConsumerMetrics([consumer]))
        await begun.wait()
        assert registry.get_sample_value(LAG, {"group": "test"}) == 300
        busy.set()
        await wait_until(lambda: consumer.lag == 0)
    assert consumer.lag == 0


async def test_a_poison_message_is_dead_lettered_alone_and_its_partition_goes_on(bench: Bench) -> None:
    handled: list[str] = []

    async def handle(_key: str, events: Sequence[Note]) -> None:
        if any(e.text == "poison" for e in events):
            raise RuntimeError("cannot")
        handled.extend(e.text for e in events)

    await bench.publish("a", "one", "poison", "two")
    async with bench.run_consumer(handle) as consumer:
        await wait_until(lambda: handled == ["one", "two"])
        registry = CollectorRegistry()
        registry.register(ConsumerMetrics([consumer]))
        assert registry.get_sample_value(DEAD_LETTERS, {"group": "test"}) == 1
    assert await bench.read_dead_letters() == [Note(text="poison").model_dump_json().encode()]


async def test_a_body_that_breaks_the_contract_is_dead_lettered_without_calling_the_handler(bench: Bench) -> None:
    handled: list[str] = []

    async def handle(_key: str, events: Sequence[Note]) -> None:
        handled.extend(e.text for e in events)

    await bench.publisher.send_raw(bench.topic, b"a", b'{"text": ', [])
    await bench.publish("a", "good")
    async with bench.run_consumer(handle):
        await wait_until(lambda: handled == ["good"])
    assert await bench.read_dead_letters() == [b'{"text": ']


async def test_work_is_held_while_something_is_unavailable_and_nothing_is_dead_lettered(bench: Bench) -> None:
    unavailable, attempts, handled = True, 0, []

    async def handle(_key: str, events: Sequence[Note]) -> None:
        nonlocal attempts
        attempts += 1
        if unavailable:
            raise UnavailableError("the store is down")
        handled.extend(e.text for e in events)

    await bench.publish("a", "kept")
    async with bench.run_consumer(handle) as consumer:
        await wait_until(lambda: attempts >= 2)
        assert consumer.health_error == "UnavailableError: the store is down"
        unavailable = False
        await wait_until(lambda: handled == ["kept"])
        assert consumer.health_error is None
    assert await bench.read_dead_letters() == []


class BrieflyUnavailableError(UnavailableError):
    max_wait = 0.5


async def test_a_message_that_is_held_longer_than_max_wait_is_dead_lettered(bench: Bench) -> None:
    async def handle(_key: str, _events: Sequence[Note]) -> None:
        raise BrieflyUnavailableError("nobody knows this connection")

    await bench.publish("a", "lost")
    async with bench.run_consumer(handle) as consumer:
        await wait_until(lambda: consumer.dead_letter_count == 1)
    assert await bench.read_dead_letters() == [Note(text="lost").model_dump_json().encode()]


async def test_an_unfinished_message_is_received_again_after_a_restart(bench: Bench) -> None:
    begun = asyncio.Event()

    async def hang(_key: str, _events: Sequence[Note]) -> None:
        begun.set()
        await asyncio.Event().wait()

    handled: list[str] = []

    async def handle(_key: str, events: Sequence[Note]) -> None:
        handled.extend(e.text for e in events)

    await bench.publish("a", "unfinished")
    async with bench.run_consumer(hang):
        await asyncio.wait_for(begun.wait(), 20)
    async with bench.run_consumer(handle):
        await wait_until(lambda: handled == ["unfinished"])
    handled.clear()
    async with bench.run_consumer(handle):
        await bench.publish("a", "next")
        await wait_until(lambda: handled == ["next"])


async def test_too_many_dead_letters_in_a_row_open_the_circuit_breaker(bench: Bench) -> None:
    handled = list[str]()

    async def fail(_key: str, _events: Sequence[Note]) -> None:
        raise RuntimeError("our own fault")

    async def handle(_key: str, events: Sequence[Note]) -> None:
        handled.extend(event.text for event in events)

    texts = [str(number) for number in range(10)]
    await bench.publish("a", *texts)
    async with bench.run_consumer(fail, threshold=3, limits=ConsumerLimits(batch=1)) as consumer:
        await wait_until(lambda: consumer._is_paused)
        assert consumer.health_error == "too many dead letters in a row: look at them, then restart"
    async with bench.run_consumer(handle):
        await wait_until(lambda: handled == texts[3:])
    assert len(await bench.read_dead_letters()) == 3


async def test_an_open_circuit_breaker_ends_a_batch_whose_other_messages_are_received_again(
    bench: Bench,
) -> None:
    attempted, handled = list[str](), list[str]()

    async def fail(_key: str, events: Sequence[Note]) -> None:
        attempted.extend(event.text for event in events if len(events) == 1)
        raise RuntimeError("our own fault")

    async def handle(_key: str, events: Sequence[Note]) -> None:
        handled.extend(event.text for event in events)

    texts = [str(number) for number in range(10)]
    await bench.publish("a", *texts)
    async with bench.run_consumer(fail, threshold=3) as consumer:
        await wait_until(lambda: consumer._is_paused)
    assert (attempted, len(await bench.read_dead_letters())) == (texts[:3], 3)
    async with bench.run_consumer(handle):
        await wait_until(lambda: handled == texts[3:])


async def test_a_message_over_the_size_limit_is_refused_by_name(bench: Bench) -> None:
    big = OutboundMessage(bench.topic, "shopify:big", Note(text="x" * (17 * 1024 * 1024)), "1")
    with pytest.raises(InvalidMessageError, match="shopify:big"):
        await bench.publisher.send(big)


async def test_a_publisher_without_kafka_raises_that_it_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="Kafka"):
        async with EventPublisher(Brokers("127.0.0.1:1"), source="test"):
            pass


async def test_a_consumer_without_kafka_raises_that_it_is_unavailable(bench: Bench) -> None:
    consumer = bench.create_consumer(ignore, servers="127.0.0.1:1")
    with pytest.raises(UnavailableError, match="Kafka"):
        async with run_consumers([consumer], CollectorRegistry()):
            pass


async def ignore(_key: str, _events: Sequence[Note]) -> None:
    pass


async def test_a_topic_that_is_created_later_is_consumed_by_its_pattern(bench: Bench) -> None:
    handled: list[str] = []

    async def handle(_key: str, events: Sequence[Note]) -> None:
        handled.extend(e.text for e in events)

    await bench.publish("a", "early")
    async with bench.run_consumer(handle, pattern=f"^{bench.topic}(-late)?$"):
        await wait_until(lambda: handled == ["early"])
        late = OutboundMessage(f"{bench.topic}-late", "a", Note(text="late"), "1")
        await create_missing_topics(Brokers(bench.servers), (Topic(late.topic),))
        await bench.publisher.send_all([late])
        await wait_until(lambda: handled == ["early", "late"], seconds=60)


async def test_consumers_run_together_and_show_their_dead_letters(bench: Bench) -> None:
    handled: list[str] = []

    async def handle(_key: str, events: Sequence[Note]) -> None:
        handled.extend(event.text for event in events)

    registry = CollectorRegistry()
    consumers = [bench.create_consumer(handle, pattern=f"^{bench.topic}$", group=group) for group in ("one", "two")]
    await bench.publish("a", "to both")
    async with run_consumers(consumers, registry):
        await wait_until(lambda: handled == ["to both", "to both"])
    assert [registry.get_sample_value(DEAD_LETTERS, {"group": group}) for group in ("one", "two")] == [0, 0]


async def test_partitions_are_paused_while_too_much_waits_and_everything_is_handled(bench: Bench) -> None:
    go_on, handled, buffered = asyncio.Event(), list[str](), list[int]()

    async def handle(_key: str, events: Sequence[Note]) -> None:
        await go_on.wait()
        buffered.append(consumer._workers._buffered)
        handled.extend(event.text for event in events)

    limits = ConsumerLimits(batch=5, buffered=20)
    texts = [str(number) for number in range(200)]
    async with bench.run_consumer(handle, limits=limits) as consumer:
        for start in range(0, len(texts), 20):
            await bench.publish("a", *texts[start : start + 20])
        await wait_until(lambda: consumer._is_paused)
        go_on.set()
        await wait_until(lambda: handled == texts)
    assert max(buffered) <= limits.buffered + limits.batch


class FailingConsumer:
    """A consumer of aiokafka whose polls fail."""

    async def getmany(self, **_options: object) -> dict[object, list[object]]:
        raise GroupAuthorizationFailedError("test")


async def test_a_poll_that_fails_is_shown_and_does_not_end_consuming(bench: Bench) -> None:
    consumer = bench.create_consumer(ignore)
    polling = asyncio.create_task(consumer._poll_continuously(FailingConsumer()))
    await wait_until(lambda: consumer.health_error is not None)
    assert consumer.health_error == "GroupAuthorizationFailedError: [Error 30] GroupAuthorizationFailedError: test"
    assert not polling.done()
    polling.cancel()
