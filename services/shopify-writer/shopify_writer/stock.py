"""Writes the stock of variants: each request by comparison, and once, however often it is requested.

A call names the quantity from which it changes each stock, so it is refused where somebody has changed the stock
meanwhile. It has an idempotency key, so it is made once, however often it is sent within 24 hours. The key of a single
request is the id of the write; then the key alone tells whether an earlier attempt was made. Many requests are one
call, whose key follows from all their ids. Nobody remembers which requests were together in a call when the process is
killed before their results are published: `_judge_stale` says what is concluded then.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from contracts.events import WriteRequested
from destination.destination import AMBIGUOUS_WRITE, CONFLICT, UNCHANGED, WriteResult
from linking.records import VARIANTS
from platforms.shopify.ids import is_id_of
from shopify_writer.jobs import run_jobs
from shopify_writer.results import build_quantities, build_refused, build_unreadable
from shopify_writer.stock_calls import (
    StockAnswer,
    StockWrite,
    build_written,
    list_changed,
    send_call,
    split_calls,
    split_unmade,
)
from shopify_writer.stock_levels import Quantities, Stock, StockReading, read_stock
from shopify_writer.targets import Node
from shopify_writer.write_session import UnknownOutcomeError, WriteSession

MAX_SINGLE_CALLS = 20
"""Up to so many requests are calls of their own. More are calls of many: each call costs 10 points, and a shop restores
100 a second."""
MAX_QUANTITY = 1_000_000_000
"""The most units, above zero and below, that Shopify takes."""
REPEAT_SECONDS = (0.2, 0.5, 1.0)
"""The waits before a call of many requests, of which nothing is known, is sent again as it was."""
LOST_CALL_SIGNS = 3
"""When so many changes of one batch are found that no answer has confirmed, and they are most of those that are stale,
an earlier call of many has made them. Some may be somebody else's, who has sold as many units at the same time."""


async def write_stock(
    session: WriteSession, requests: Sequence[WriteRequested], unknown: list[UnknownOutcomeError]
) -> AsyncGenerator[WriteResult, None]:
    """Write the stock of variants, each of which is in one of `requests`, and yield what came of them.

    Every result is yielded before the next call that may change stock is sent. Where the outcome of a call remains
    unknown, its requests have no result, and the error is appended to `unknown`. Raises the exceptions of `read_stock`
    and `WriteSession.send_mutation`, except for MutationRefusedError.
    """
    results, writes = await _plan(session, requests)
    for result in results:
        yield result
    stale: list[StockWrite] = []
    together, alone = _choose_calls(writes)
    async with aclosing(_write_together(session, together, stale, unknown)) as made_together:
        async for result in made_together:
            yield result
    jobs = [partial(_write_alone, session, write, stale) for write in alone]
    async with aclosing(run_jobs(jobs, unknown)) as made_alone:
        async for result in made_alone:
            yield result
    for result in await _settle_stale(session, stale):
        yield result


async def _plan(
    session: WriteSession, requests: Sequence[WriteRequested]
) -> tuple[list[WriteResult], list[StockWrite]]:
    """Return what can be said of requests without a mutation, and the writes for the others."""
    results: list[WriteResult] = []
    readable: list[WriteRequested] = []
    for request in requests:
        if (message := _find_malformed(request)) is not None:
            results.append(build_refused(request, message))
        elif not list_changed(request):
            # It is not read, so no other reading is older than these values.
            results.append(WriteResult(request.write_id, UNCHANGED, request.record, values=request.fields))
        else:
            readable.append(request)
    reading = await read_stock(session, readable)
    planned = [_plan_write(request, reading) for request in readable]
    results += [one for one in planned if isinstance(one, WriteResult)]
    return results, [one for one in planned if isinstance(one, StockWrite)]


def _find_malformed(request: WriteRequested) -> str | None:
    """Return why a request is not one for stock; None if it is. One bad id would make a call fail for all."""
    if request.operation != "update":
        return f"stock is only updated, and not the object of {request.operation}"
    if request.record is None or not is_id_of(VARIANTS, request.record):
        return f"not an id of {VARIANTS}: {request.record}"
    for location, wanted in request.fields.items():
        if not is_id_of("locations", location):
            return f"not an id of locations: {location}"
        if not _is_quantity(wanted) or not _is_quantity(request.expected.get(location)):
            return f"not a quantity, and the one before it, at {location}"
    return None


def _is_quantity(value: Any) -> bool:
    return type(value) is int and abs(value) <= MAX_QUANTITY


def _plan_write(request: WriteRequested, reading: StockReading) -> WriteResult | StockWrite:
    gid = str(request.record)
    stock = reading.found.get(gid)
    if stock is None or gid in reading.unreadable:
        return build_unreadable(request, reading.unreadable.get(gid))
    if not stock.is_tracked:
        return build_refused(request, f"the shop does not count the stock of {gid}")
    changed = list_changed(request)
    # Since 2026-10 the mutation would begin to stock the item there, which is the merchant's decision.
    if missing := [one for one in changed if one not in stock.available]:
        return build_refused(request, f"{gid} is not stocked at {', '.join(missing)}")
    return StockWrite(request, tuple(_build_row(request, stock.item, location) for location in changed))


def _build_row(request: WriteRequested, item: str, location: str) -> Node:
    # The quantity that was read is not looked at. Where it is the wanted one, either an earlier attempt was made, which
    # the key tells, or somebody else has changed it, which must not pass for this change.
    return {
        "inventoryItemId": item,
        "locationId": location,
        "quantity": request.fields[location],
        "changeFromQuantity": request.expected[location],
    }


def _choose_calls(writes: Sequence[StockWrite]) -> tuple[list[StockWrite], list[StockWrite]]:
    """Return the writes that are made together, and those of which each is a call of its own.

    A write that was tried before is never made together with others: its own key tells whether it was made.
    """
    first_attempts = [write for write in writes if write.request.attempt == 1]
    if len(first_attempts) <= MAX_SINGLE_CALLS:
        return [], list(writes)
    return first_attempts, [write for write in writes if write.request.attempt > 1]


async def _write_together(
    session: WriteSession, writes: Sequence[StockWrite], stale: list[StockWrite], unknown: list[UnknownOutcomeError]
) -> AsyncGenerator[WriteResult, None]:
    """Make writes by calls of many, and yield what came of them. The stale ones are appended to `stale`.

    Where Shopify refuses a call, the writes that it names are taken out. The others are sent under another key, and in
    halves where it names none.
    """
    waiting = list(split_calls(writes))
    while waiting:
        call = waiting.pop(0)
        try:
            answer = await _send_repeatedly(session, call)
        except UnknownOutcomeError as error:
            unknown.append(error)
            continue
        stale += answer.stale
        for result in answer.results:
            yield result
        waiting[:0] = split_unmade(answer.unmade, len(call))


async def _send_repeatedly(session: WriteSession, call: Sequence[StockWrite]) -> StockAnswer:
    for seconds in REPEAT_SECONDS:
        try:
            return await send_call(session, call)
        except UnknownOutcomeError:
            await session.pause(seconds)
    return await send_call(session, call)


async def _write_alone(session: WriteSession, write: StockWrite, stale: list[StockWrite]) -> list[WriteResult]:
    answer = await send_call(session, [write])
    stale += answer.stale
    return list(answer.results)


async def _settle_stale(session: WriteSession, stale: Sequence[StockWrite]) -> list[WriteResult]:
    """Read the stock whose quantities were not the expected ones, and return what came of the writes."""
    reading = await read_stock(session, [write.request for write in stale])
    planned = [_plan_write(write.request, reading) for write in stale]
    results = [one for one in planned if isinstance(one, WriteResult)]
    standing = [one.request for one in planned if isinstance(one, StockWrite)]
    found = [(request, reading.found[str(request.record)]) for request in standing]
    signs = sum(_has(stock, request, request.fields) for request, stock in found)
    is_call_lost = signs >= max(LOST_CALL_SIGNS, len(found) / 2)
    return results + [_judge_stale(request, stock, is_call_lost=is_call_lost) for request, stock in found]


def _judge_stale(request: WriteRequested, stock: Stock, *, is_call_lost: bool) -> WriteResult:
    """Return what came of a write that Shopify has refused under its own key, because of the quantity at that time.

    Either somebody else has changed the stock, and it is a conflict; or an earlier call, of this and other requests
    under another key, has made this change, and its answer was lost. A conflict by mistake would make the change twice,
    and nobody would notice. An `ambiguous_write` by mistake stops a pair until a person looks. So:

    - A lost call is repeated under its key until it is known, and so it remains unknown only when the process is killed
      or the shop is away. Most writes come again because of the rate limit, and were never sent. Therefore a write is a
      conflict, also at a later attempt, unless something tells of a lost call. The wanted quantity alone does not: a
      sale of as many units leaves the same.
    - A lost call has made all its changes, so its requests come again together: `is_call_lost` says that the batch has
      several whose wanted quantities are there, and few others. Then those were made. One whose stock is neither as
      expected nor as wanted may have been made and changed after it, and nothing tells: it is ambiguous.
    """
    if _has(stock, request, request.fields) and is_call_lost:
        return build_written(request, stock.read_at)
    if is_call_lost and not _has(stock, request, request.expected):
        message = "an earlier attempt may have been made, and the stock has changed since: check it in the shop"
        return build_refused(request, message, AMBIGUOUS_WRITE)
    present = {one: stock.available[one] for one in request.fields if one in stock.available}
    return build_quantities(CONFLICT, request, present, stock.read_at, "the stock has changed meanwhile")


def _has(stock: Stock, request: WriteRequested, quantities: Quantities) -> bool:
    """Return whether `stock` has these `quantities` at the locations at which `request` changes it."""
    return all(stock.available[location] == quantities[location] for location in list_changed(request))
