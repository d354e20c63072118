"""Runs mutations of one shop, a few at once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from destination.destination import WriteResult
from shopify_writer.write_session import UnknownOutcomeError

CONCURRENCY = 4
"""How many mutations of one shop are under way at once: a bucket is restored with points for ten a second."""
Job = Callable[[], Awaitable[list[WriteResult]]]
"""One mutation, with what must be done around it. Returns what came of its requests."""


async def run_jobs(jobs: Sequence[Job], unknown: list[UnknownOutcomeError]) -> AsyncGenerator[WriteResult, None]:
    """Do `jobs`, CONCURRENCY at a time, and yield what came of them. Unknown outcomes are appended to `unknown`.

    Raises an error that ends the step, also where all of several outcomes at once are unknown. Whatever has had its
    effect is yielded before.
    """
    for first in range(0, len(jobs), CONCURRENCY):
        wave = jobs[first : first + CONCURRENCY]
        outcomes = await asyncio.gather(*(job() for job in wave), return_exceptions=True)
        for outcome in outcomes:
            for result in outcome if isinstance(outcome, list) else ():
                yield result
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        unknown += [error for error in errors if isinstance(error, UnknownOutcomeError)]
        ending = next((error for error in errors if not isinstance(error, UnknownOutcomeError)), None)
        if ending is not None:
            raise ending
        if len(errors) == CONCURRENCY:
            raise errors[0]
