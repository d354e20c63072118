"""A periodic task survives errors, is woken, and lets a running step finish."""

import asyncio

from service.periodic_tasks import PeriodicTask


async def test_a_task_go_on_after_an_error_and_shows_it_meanwhile() -> None:
    runs, errors = 0, []

    async def step() -> bool:
        nonlocal runs
        runs += 1
        errors.append(task.health_error)
        if runs == 1:
            raise ValueError("unexpected")
        return False

    task = PeriodicTask("test", step, interval=60)
    async with task.run(), asyncio.timeout(5):
        while runs < 2:
            await asyncio.sleep(0.01)
        while task.health_error is not None:
            await asyncio.sleep(0.01)
    assert errors == [None, "ValueError: unexpected"]


async def test_waking_ends_the_pause_and_a_step_with_more_to_do_needs_no_waking() -> None:
    results, runs = [True, True, False, False], 0

    async def step() -> bool:
        nonlocal runs
        runs += 1
        return results.pop(0)

    task = PeriodicTask("test", step, interval=60)
    async with task.run(), asyncio.timeout(5):
        while runs < 3:
            await asyncio.sleep(0.01)
        task.wake()
        while runs < 4:
            await asyncio.sleep(0.01)


async def test_a_task_that_stops_lets_the_running_step_finish() -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), []

    async def step() -> bool:
        begun.set()
        await go_on.wait()
        done.append("step")
        return True

    async with PeriodicTask("test", step, interval=60).run():
        await begun.wait()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    assert done == ["step"]
