import asyncio

from gateway.webhooks.deadlines import Deadlines


class Work:
    """Notes when its time is over."""

    def __init__(self, *, is_finished: bool = False) -> None:
        self.is_finished = is_finished
        self.late = asyncio.Event()

    def handle_timeout(self) -> None:
        self.late.set()


async def test_what_ends_in_time_is_left_alone() -> None:
    deadlines, work, other = Deadlines(0.1), Work(is_finished=True), Work()
    deadlines.add(work)
    deadlines.add(other)
    await asyncio.wait_for(other.late.wait(), 5)
    assert not work.late.is_set()


async def test_a_slow_one_holds_no_other_up_and_only_it_is_broken_off() -> None:
    deadlines, slow, quick, later = Deadlines(0.3), Work(), Work(), Work()
    for work in (slow, quick, later):
        deadlines.add(work)
    quick.is_finished = later.is_finished = True
    await asyncio.wait_for(slow.late.wait(), 5)
    assert not quick.late.is_set() and not later.late.is_set()


async def test_after_a_rest_the_timer_looks_again() -> None:
    deadlines = Deadlines(0.1)
    for _ in range(2):
        work = Work()
        deadlines.add(work)
        await asyncio.wait_for(work.late.wait(), 5)
