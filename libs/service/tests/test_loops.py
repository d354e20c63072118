import asyncio

from service.periodic_tasks import PeriodicTask


async def test_a_loop_goes_on_after_any_error_and_shows_it_meanwhile() -> None:
    taken, troubles = 0, []

    async def step() -> bool:
        nonlocal taken
        taken += 1
        troubles.append(loop.health_error)
        if taken == 1:
            raise ValueError("not foreseen")
        return False

    loop = PeriodicTask("test", step, interval=60)
    async with loop.run(), asyncio.timeout(5):
        while taken < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
    assert troubles == [None, "ValueError: not foreseen"]
    assert loop.health_error is None


async def test_a_nudge_ends_the_rest_and_more_work_needs_none() -> None:
    answers, taken = [True, True, False, False], 0

    async def step() -> bool:
        nonlocal taken
        taken += 1
        return answers.pop(0)

    loop = PeriodicTask("test", step, interval=60)
    async with loop.run(), asyncio.timeout(5):
        while taken < 3:
            await asyncio.sleep(0.01)
        loop.wake()
        while taken < 4:
            await asyncio.sleep(0.01)


async def test_a_loop_that_ends_lets_the_step_under_way_come_to_its_end() -> None:
    begun, goes_on, done = asyncio.Event(), asyncio.Event(), []

    async def step() -> bool:
        begun.set()
        await goes_on.wait()
        done.append("step")
        return True

    async with PeriodicTask("test", step, interval=60).run():
        await begun.wait()
        asyncio.get_running_loop().call_later(0.05, goes_on.set)
    assert done == ["step"]
