import asyncio

import pytest

from gateway.deadlines import Deadlines


async def test_what_ends_in_time_is_left_alone() -> None:
    deadlines = Deadlines(0.3)
    for _ in range(3):
        with deadlines.begin():
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)


async def test_what_does_not_end_in_time_is_broken_off() -> None:
    deadlines = Deadlines(0.1)
    with pytest.raises(TimeoutError), deadlines.begin():
        await asyncio.sleep(5)
    await asyncio.sleep(0)


async def test_a_slow_one_holds_no_other_up_and_only_it_is_broken_off() -> None:
    deadlines, outcomes = Deadlines(0.3), []

    async def take(seconds: float) -> None:
        try:
            with deadlines.begin():
                await asyncio.sleep(seconds)
            outcomes.append("done")
        except TimeoutError:
            outcomes.append("late")

    await asyncio.gather(take(5), take(0.01), take(0.02))
    assert sorted(outcomes) == ["done", "done", "late"]


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    deadlines = Deadlines(5)

    async def take() -> None:
        with deadlines.begin():
            await asyncio.sleep(5)

    task = asyncio.create_task(take())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
