"""A readiness check runs once for everybody who asks within a moment."""

import asyncio

import pytest

from service.check_cache import cache_checks


class CountedCheck:
    def __init__(self) -> None:
        self.runs = 0
        self.result: str | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self) -> str | None:
        self.runs += 1
        await self.may_end.wait()
        return self.result


async def test_many_callers_share_one_run_and_its_result_is_kept() -> None:
    check = CountedCheck()
    check.may_end.clear()
    cached = cache_checks({"kafka": check}, seconds=3600)["kafka"]
    calls = [asyncio.ensure_future(cached()) for _ in range(50)]
    while not check.runs:
        await asyncio.sleep(0)
    calls.pop().cancel()
    check.result = "does not answer"
    check.may_end.set()
    assert await asyncio.gather(*calls) == ["does not answer"] * 49

    check.result = None
    assert await cached() == "does not answer"
    assert check.runs == 1


async def test_a_result_grows_old() -> None:
    check = CountedCheck()
    cached = cache_checks({"kafka": check}, seconds=0.01)["kafka"]
    assert await cached() is None
    check.result = "does not answer"
    async with asyncio.timeout(5):
        while await cached() is None:
            await asyncio.sleep(0.001)


async def test_an_error_reaches_the_callers_and_the_check_runs_again() -> None:
    check = CountedCheck()

    async def fail() -> None:
        check.runs += 1
        raise OSError("broken")

    cached = cache_checks({"kafka": fail}, seconds=0)["kafka"]
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            await cached()
    assert check.runs == 2
