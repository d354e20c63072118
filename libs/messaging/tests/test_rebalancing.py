"""Rebalancing against a real Kafka: one member at a time works on a key, and nobody waits for a dead member."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from consumer_bench import Bench, Note, wait_until
from messaging.errors import UnavailableError
from messaging.key_workers import Handler

pytestmark = pytest.mark.integration
KEYS = [f"key-{number}" for number in range(24)]
"""More keys than batches that run concurrently, on all partitions."""


class Work:
    """What the members of a group do: each batch takes `seconds`; notes which member began and finished what."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun: list[tuple[str, str]] = []
        self.done: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.overlapping: list[str] = []

    def create_handler(self, member: str) -> "Member":
        """The handler of one member of the group."""
        return Member(self, member)

    def list_members(self) -> set[str]:
        """The members that have begun any work."""
        return {member for member, _ in self.begun}


class Member:
    """The handler of one member."""

    def __init__(self, work: Work, name: str) -> None:
        self._work, self._name = work, name

    async def __call__(self, key: str, events: Sequence[Note]) -> None:
        """Work on a batch."""
        work = self._work
        work.begun.append((self._name, key))
        work.running[key] += 1
        if work.running[key] > 1:
            work.overlapping.append(key)
        try:
            await asyncio.sleep(work.seconds)
        finally:
            work.running[key] -= 1
        work.done.update(event.text for event in events)


async def count_members(bench: Bench) -> int:
    """The members that the broker counts in the consumer group of the tests."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.servers)
    await admin.start()
    try:
        (response,) = await admin.describe_consumer_groups(["test"])
        (group,) = response.groups
        # Depending on the version of the protocol, other fields follow the list of the members.
        return len(next(field for field in group if isinstance(field, list)))
    finally:
        await admin.close()


async def publish_to_all(bench: Bench, text: str) -> set[str]:
    for key in KEYS:
        await bench.publish(key, f"{text} {key}")
    return {f"{text} {key}" for key in KEYS}


async def test_partitions_are_revoked_only_after_running_batches_have_finished(bench: Bench) -> None:
    work = Work(seconds=1.5)
    first = await publish_to_all(bench, "before")
    async with bench.run_consumer(work.create_handler("one")):
        await wait_until(lambda: len(work.begun) >= 16)
        async with bench.run_consumer(work.create_handler("two"), grace=5):
            await wait_until(lambda: set(work.done) >= first)
            second = await publish_to_all(bench, "between")
            await wait_until(lambda: set(work.done) >= first | second)
            third = await publish_to_all(bench, "at the end")
            await wait_until(lambda: work.running.total() >= 16)
        await wait_until(lambda: set(work.done) >= first | second | third)
    assert work.list_members() == {"one", "two"}
    assert work.overlapping == []
    assert set(work.done.values()) == {1}


async def test_a_member_that_leaves_is_not_waited_for(bench: Bench) -> None:
    work = Work(seconds=0)
    async with bench.run_consumer(work.create_handler("one")):
        async with bench.run_consumer(work.create_handler("two")):
            async with asyncio.timeout(20):
                while work.list_members() != {"one", "two"}:
                    await publish_to_all(bench, "hello")
        # A member that has died is one for six seconds more.
        assert await count_members(bench) == 1
        published = await publish_to_all(bench, "after two has left")
        await wait_until(lambda: set(work.done) >= published)


async def test_held_work_delays_no_rebalance(bench: Bench) -> None:
    async def hold(_key: str, _events: Sequence[Note]) -> None:
        raise UnavailableError("its gateway does not answer")

    work = Work(seconds=0)
    await publish_to_all(bench, "held")
    async with bench.run_consumer(hold) as holding:
        await wait_until(lambda: holding.health_error is not None)
        async with bench.run_consumer(work.create_handler("two")):
            await wait_until(lambda: len(work.done) >= 4, 5)


async def test_a_batch_that_does_not_finish_in_time_is_cancelled_before_it_is_received_again(
    bench: Bench,
) -> None:
    begun, events_seen = asyncio.Event(), []

    async def hang(_key: str, _events: Sequence[Note]) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            events_seen.append("cancelled")

    async def record(_key: str, events: Sequence[Note]) -> None:
        events_seen.extend(event.text for event in events)

    await bench.publish("a", "unfinished")
    async with bench.run_consumer(record) as other:
        await wait_until(lambda: events_seen == ["unfinished"])
        await other.stop()
        events_seen.clear()
        await bench.publish("a", "next")
        async with bench.run_consumer(hang):
            await asyncio.wait_for(begun.wait(), 20)
        async with bench.run_consumer(record):
            await wait_until(lambda: len(events_seen) == 2)
    assert events_seen == ["cancelled", "next"]


async def test_the_process_that_handles_a_key_of_one_topic_handles_it_in_the_other_topic(
    bench: Bench, other_bench: Bench
) -> None:
    owners: dict[str, dict[str, str]] = {bench.topic: {}, other_bench.topic: {}}

    def create_handler(topic: str, process: str) -> Handler[Note]:
        async def handle(key: str, _events: Sequence[Note]) -> None:
            owners[topic][key] = process

        return handle

    async with AsyncExitStack() as stack, asyncio.timeout(60):
        for process in ("a", "b", "c", "d"):
            for each in (bench, other_bench):
                consumer = each.run_consumer(
                    create_handler(each.topic, process), group=each.topic, process_name=process
                )
                await stack.enter_async_context(consumer)
        # Rounds, because members may still join during the first one.
        while len(set(owners[bench.topic].values())) < 4 or owners[bench.topic] != owners[other_bench.topic]:
            for each in (bench, other_bench):
                owners[each.topic].clear()
                await publish_to_all(each, "round")
            await wait_until(lambda: all(len(keys) == len(KEYS) for keys in owners.values()))
