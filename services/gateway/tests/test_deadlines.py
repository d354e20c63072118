"""Work that is not finished by its deadline expires."""

import asyncio

from gateway.webhooks.deadlines import Deadlines


class Work:
    """Sets `late` when it expires."""

    def __init__(self, *, is_finished: bool = False) -> None:
        self.is_finished = is_finished
        self.late = asyncio.Event()

    def handle_timeout(self) -> None:
        self.late.set()


async def test_work_that_finishes_in_time_does_not_expire() -> None:
    deadlines, work, other = Deadlines(0.1), Work(is_finished=True), Work()
    deadlines.add(work)
    deadlines.add(other)
    await asyncio.wait_for(other.late.wait(), 5)
    assert not work.late.is_set()


async def test_only_the_slow_work_expires() -> None:
    deadlines, slow, quick, later = Deadlines(0.3), Work(), Work(), Work()
    for work in (slow, quick, later):
        deadlines.add(work)
    quick.is_finished = later.is_finished = True
    await asyncio.wait_for(slow.late.wait(), 5)
    assert not quick.late.is_set() and not later.late.is_set()


async def test_the_timer_restarts_after_it_was_idle() -> None:
    deadlines = Deadlines(0.1)
    for _ in range(2):
        work = Work()
        deadlines.add(work)
        await asyncio.wait_for(work.late.wait(), 5)
