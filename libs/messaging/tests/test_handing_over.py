"""Partitions that change hands against a real Kafka: one at a time works on a key, and nobody waits for a dead one."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import pytest

from intake_bench import Bench, Said, until
from messaging.errors import UnavailableError

pytestmark = pytest.mark.integration
KEYS = [f"key-{number}" for number in range(24)]
"""More than batches that run side by side, on all partitions."""


class Working:
    """A handler that takes its time, and notes who has worked on what from when until when."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun: list[tuple[str, str]] = []
        self.done: Counter[str] = Counter()
        self.at_work: Counter[str] = Counter()
        self.twice_at_once: list[str] = []

    def by(self, member: str) -> "Member":
        """The handler of one member of the group."""
        return Member(self, member)

    def members(self) -> set[str]:
        """Who has begun any work."""
        return {member for member, _ in self.begun}


class Member:
    """What one member's intake calls."""

    def __init__(self, working: Working, name: str) -> None:
        self._working, self._name = working, name

    async def __call__(self, key: str, events: Sequence[Said]) -> None:
        """Work on a batch."""
        working = self._working
        working.begun.append((self._name, key))
        working.at_work[key] += 1
        if working.at_work[key] > 1:
            working.twice_at_once.append(key)
        try:
            await asyncio.sleep(working.seconds)
        finally:
            working.at_work[key] -= 1
        working.done.update(event.text for event in events)


async def say_to_all(bench: Bench, text: str) -> set[str]:
    for key in KEYS:
        await bench.say(key, f"{text} {key}")
    return {f"{text} {key}" for key in KEYS}


async def test_partitions_change_hands_only_when_what_runs_has_ended(bench: Bench) -> None:
    work = Working(seconds=1.5)
    first = await say_to_all(bench, "before")
    async with bench.taking(work.by("one")):
        await until(lambda: len(work.begun) >= 16)
        async with bench.taking(work.by("two"), grace=5):
            await until(lambda: set(work.done) >= first)
            second = await say_to_all(bench, "between")
            await until(lambda: set(work.done) >= first | second)
            third = await say_to_all(bench, "at the end")
            await until(lambda: work.at_work.total() >= 16)
        await until(lambda: set(work.done) >= first | second | third)
    assert work.members() == {"one", "two"}
    assert work.twice_at_once == []
    assert set(work.done.values()) == {1}


async def test_who_leaves_is_not_waited_for(bench: Bench) -> None:
    work = Working(seconds=0)
    async with bench.taking(work.by("one")):
        async with bench.taking(work.by("two")):
            async with asyncio.timeout(20):
                while work.members() != {"one", "two"}:
                    await say_to_all(bench, "who is there")
        left = time.monotonic()
        said = await say_to_all(bench, "after two has left")
        await until(lambda: set(work.done) >= said)
    assert time.monotonic() - left < 4  # a dead one is waited for six seconds


async def test_what_is_held_holds_no_hand_over_up(bench: Bench) -> None:
    async def away(_key: str, _events: Sequence[Said]) -> None:
        raise UnavailableError("its gateway does not answer")

    work = Working(seconds=0)
    await say_to_all(bench, "held")
    async with bench.taking(away) as holding:
        await until(lambda: holding.health_error is not None)
        async with bench.taking(work.by("two")):
            await until(lambda: len(work.done) >= 4, 5)


async def test_what_does_not_end_in_time_is_broken_off_before_it_comes_to_another(bench: Bench) -> None:
    begun, told = asyncio.Event(), []

    async def stuck(_key: str, _events: Sequence[Said]) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            told.append("broken off")

    async def going_on(_key: str, events: Sequence[Said]) -> None:
        told.extend(event.text for event in events)

    await bench.say("a", "unfinished")
    async with bench.taking(going_on) as other:
        await until(lambda: told == ["unfinished"])
        await other.stop()
        told.clear()
        await bench.say("a", "next")
        async with bench.taking(stuck):
            await asyncio.wait_for(begun.wait(), 20)
        async with bench.taking(going_on):
            await until(lambda: len(told) == 2)
    assert told == ["broken off", "next"]
