"""Implements `destination.destination.Destination` for Shopify: reads a batch's records, and writes what is left."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from contracts.events import WriteRequested
from destination.destination import UNCHANGED, WriteResult
from destination.handler import ACCESS_DENIED
from linking.records import VARIANTS
from platform_sdk.session import SyncContext
from platforms.shopify.rate_limit import RateLimitStates
from platforms.shopify.scopes import READ_INVENTORY, WRITE_INVENTORY, WRITE_PRODUCTS
from platforms.shopify.session import AdminApiClient, parse_shop
from shopify_writer.creations import create_product
from shopify_writer.jobs import Job, run_jobs
from shopify_writer.removals import DELETE, find_result, remove_product
from shopify_writer.results import build_deleted, build_refused, build_unreadable
from shopify_writer.stock import write_stock
from shopify_writer.stock_calls import MAX_QUANTITIES
from shopify_writer.targets import MAX_TARGETS, Target, Targets, has_valid_id, read_targets
from shopify_writer.updates import Update, plan_update, update_product, update_variants
from shopify_writer.write_session import UnknownOutcomeError, WriteSession

SLUG = "shopify"
CREATE = "create"
STOCK_POINTS = 30
"""The rate limit points that other writes leave to stock, so that it is never behind them: enough to read and write."""


class ShopifyDestination:
    """Writes to shops through `client`. All writes of a process to one shop share what is known of its rate limit."""

    def __init__(
        self,
        client: AdminApiClient,
        *,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._elapsed = elapsed
        self._sleep = sleep
        self._now = now
        self._rate_limits = RateLimitStates(elapsed)

    async def write(
        self, context: SyncContext, requests: Sequence[WriteRequested]
    ) -> AsyncGenerator[WriteResult, None]:
        """Write what is requested of one shop, as `destination.destination.Destination.write` describes.

        Where a mutation's outcome is not known, the other requests are still served, and then UnknownOutcomeError is
        raised: one record whose mutation always fails must not hold up the rest.
        """
        session = self._open_session(context, points_left=STOCK_POINTS)
        await session.require_scope(WRITE_PRODUCTS)
        unknown: list[UnknownOutcomeError] = []
        for batch in _split_batches(requests, MAX_TARGETS):
            results, jobs = await _plan_batch(session, batch)
            for result in results:
                yield result
            async with aclosing(run_jobs(jobs, unknown)) as later_results:
                async for result in later_results:
                    yield result
        if unknown:
            raise unknown[0]

    async def write_stock(
        self, context: SyncContext, requests: Sequence[WriteRequested]
    ) -> AsyncGenerator[WriteResult, None]:
        """Write the stock of variants, as `destination.destination.Destination.write_stock` describes.

        Unknown outcomes are treated as by `write`. A later request about the same variant then has no result either: it
        was decided upon the earlier one.
        """
        session = self._open_session(context)
        await session.require_scope(WRITE_INVENTORY)
        unknown: list[UnknownOutcomeError] = []
        unanswered: set[str | None] = set()
        for batch in _split_batches(requests, MAX_QUANTITIES):
            due = [request for request in batch if request.record not in unanswered]
            unanswered |= {request.record for request in due}
            async with aclosing(write_stock(session, due, unknown)) as results:
                async for result in results:
                    unanswered.discard(result.record)
                    yield result
        if unknown:
            raise unknown[0]

    def _open_session(self, context: SyncContext, *, points_left: int = 0) -> WriteSession:
        return WriteSession(
            self._client,
            context,
            self._rate_limits.get_state(parse_shop(context.token.connection)),
            points_left=points_left,
            elapsed=self._elapsed,
            sleep=self._sleep,
            now=self._now,
        )


def _split_batches(requests: Sequence[WriteRequested], size: int) -> Iterator[list[WriteRequested]]:
    """Yield batches of at most `size` requests, each with every record at most once.

    Of two requests about one record the second must find what the first has written.
    """
    waiting = list(requests)
    while waiting:
        batch: dict[str | None, WriteRequested] = {}
        for request in waiting:
            if len(batch) < size:
                batch.setdefault(request.record or request.external_id, request)
        yield list(batch.values())
        taken = {request.write_id for request in batch.values()}
        waiting = [request for request in waiting if request.write_id not in taken]


async def _plan_batch(session: WriteSession, batch: Sequence[WriteRequested]) -> tuple[list[WriteResult], list[Job]]:
    """Return what can be said of requests without a mutation, and the jobs for the others."""
    jobs = [partial(_run, create_product, session, request) for request in batch if request.operation == CREATE]
    results, requests = await _refuse_unreadable(session, [request for request in batch if request.operation != CREATE])
    targets = await read_targets(session, requests) if requests else Targets({}, {}, 0)
    by_product: dict[str, list[Update]] = {}
    for request in requests:
        planned = _plan_request(request, targets)
        if isinstance(planned, WriteResult):
            results.append(planned)
        elif isinstance(planned, Target):
            jobs.append(partial(_run, remove_product, session, request, planned))
        elif request.resource == VARIANTS:
            by_product.setdefault(planned.target.product, []).append(planned)
        else:
            jobs.append(partial(_run, update_product, session, planned))
    return results, [*jobs, *(partial(update_variants, session, updates) for updates in by_product.values())]


async def _refuse_unreadable(
    session: WriteSession, requests: Sequence[WriteRequested]
) -> tuple[list[WriteResult], list[WriteRequested]]:
    """Return the refusals of requests whose records must not be asked for, and the other requests."""
    if any("cost" in request.fields for request in requests) and not session.has_scope(READ_INVENTORY):
        await session.refresh_scopes()
    refused: list[WriteResult] = []
    readable: list[WriteRequested] = []
    for request in requests:
        if not has_valid_id(request):
            refused.append(build_refused(request, f"not an id of {request.resource}: {request.record}"))
        elif "cost" in request.fields and not session.has_scope(READ_INVENTORY):
            refused.append(build_refused(request, f"scope {READ_INVENTORY} was not granted", ACCESS_DENIED))
        else:
            readable.append(request)
    return refused, readable


def _plan_request(request: WriteRequested, targets: Targets) -> WriteResult | Update | Target:
    """Return what came of a request, the update that it needs, or the record that it is to remove."""
    gid = str(request.record)
    if gid in targets.unreadable:
        return build_unreadable(request, targets.unreadable[gid])
    target = targets.found.get(gid)
    if target is None and request.operation == DELETE:
        return build_deleted(request, UNCHANGED, targets.read_at)
    if target is None:
        return build_unreadable(request, None)
    if request.operation == "update":
        return plan_update(request, target)
    return find_result(request, target) or target


async def _run(write: Callable[..., Awaitable[WriteResult]], *arguments: Any) -> list[WriteResult]:
    return [await write(*arguments)]
