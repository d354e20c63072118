"""Matches the records of both sides of links, plans what keeps them in step, and requests what is approved."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from linker.pair_plans import KnownRecord, Pair, PlanLine, PlannedPair, find_currency, plan_product
from linker.pairing import change_pairs, list_stored_matches
from linker.stock_plans import StockOfProduct, plan_stock_pair
from linker.store import links, pairs, plans, records, sides, writes
from linker.store.links import ACTIVE, DRAFT, LIVE, READING, Link
from linker.use_cases.approvals import find_unusable_domain
from linker.use_cases.link_events import publish_link
from linker.use_cases.requests import WRITE_ATTEMPTS, request_writes
from linking.matching import match_products
from linking.records import STOCK, Side
from linking.settings import LinkSettings
from messaging.outbox import Transaction

log = structlog.get_logger()
MAX_RECORDS = 200
"""The most changed records that are matched in one transaction, and the most products that are planned in one."""
MAX_HOPS = 5
"""How often the records that problems connect are looked for before all records of a link are matched."""
Ids = dict[Side, set[str]]


class LinkPlanner:
    """Matches and plans whatever has changed. One process at a time works on a link; others take other links.

    What is due is stored with each change, so that a kill forgets nothing. `record_planned(pairs)` is called after each
    transaction, and `wake_outbox` after those that have published anything. A write is given up after `write_attempts`.
    """

    def __init__(
        self,
        transaction: Transaction,
        *,
        record_planned: Callable[[int], None],
        wake_outbox: Callable[[], None],
        write_attempts: int = WRITE_ATTEMPTS,
    ) -> None:
        self._transaction = transaction
        self._record_planned = record_planned
        self._wake_outbox = wake_outbox
        self._write_attempts = write_attempts

    async def run_once(self) -> bool:
        """Match and plan a part of what is due of each link, and return whether more is due.

        Raises the first error after all links have had their turn: what is wrong with one stops no other.
        """
        async with self._transaction() as tx:
            due = await links.list_due(tx)
        results = [(await asyncio.gather(self._advance(link_id), return_exceptions=True))[0] for link_id in due]
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return any(results)

    async def _advance(self, link_id: UUID) -> bool:
        async with self._transaction() as tx:
            link = await links.try_lock(tx, link_id)
            if link is None or link.state not in LIVE:
                return False
            known = await sides.list_by_link(tx, link_id)
            if not all(side.position.is_whole for side in known):
                return False
            has_more = await _match(tx, link)
            planned, has_changed = await _plan(tx, link, (known[0].currency, known[1].currency))
            is_done = not has_more and planned < MAX_RECORDS
            if is_done and link.state == READING:
                state = DRAFT if link.approved_number is None else ACTIVE
                await links.set_state(tx, link.id, state, await find_unusable_domain(tx, link))
                log.info("link planned", link=str(link.id))
            if is_done:
                await links.finish_approval(tx, link.id)
            has_ended = is_done and await request_writes(tx, link.id, self._write_attempts)
            if is_done and (has_changed or has_ended or link.state == READING):
                await publish_link(tx, link.id)
        self._record_planned(planned)
        self._wake_outbox()
        return not is_done


async def _match(tx: AsyncConnection, link: Link) -> bool:
    """Match the records that have changed since they were matched, or at first all. Return whether more have."""
    if not link.is_matched:
        changed = await records.lock_unmatched(tx, link.id, None)
        await _match_records(tx, link, None)
        await pairs.mark_unplanned(tx, link.id, None)
        await links.set_matched(tx, link.id, is_matched=True)
    else:
        changed = await records.lock_unmatched(tx, link.id, MAX_RECORDS)
        if changed.products:
            connected = await _find_connected(tx, link, changed.products)
            await _match_records(tx, link, connected)
            await pairs.mark_unplanned(tx, link.id, _group(changed.products))
        if changed.stocked_variants:
            await pairs.mark_variants_unplanned(tx, link.id, _group(changed.stocked_variants))
    await records.set_matched(tx, link.id, changed)
    return link.is_matched and len(changed) == MAX_RECORDS


async def _find_connected(tx: AsyncConnection, link: Link, changed: Collection[tuple[str, str]]) -> Ids | None:
    """Return the records that must be matched together with changed ones, by side; None for all of the link.

    Those are the records that share keys or pairs with them, and those that shared a problem: it may be gone.
    """
    found = await records.list_connected(tx, link.id, changed)
    for _ in range(MAX_HOPS):
        further = await pairs.list_problem_products(tx, link.id, _group(found)) - found
        if not further:
            return _group(found)
        found = await records.list_connected(tx, link.id, found | further)
    return None


def _group(found: Collection[tuple[str, str]]) -> Ids:
    return {side: {record for of, record in found if of == side} for side in Side}


async def _match_records(tx: AsyncConnection, link: Link, chosen: Ids | None) -> None:
    """Match these products of both sides, or all for None, and store how their pairs and problems change."""
    ids = None if chosen is None else [(side.value, record) for side in Side for record in chosen[side]]
    candidates = await records.load_keys(tx, link.id, ids)
    stored = await pairs.list_stored(tx, link.id, chosen)
    result = match_products(candidates[Side.SHOPIFY], candidates[Side.ODOO], list_stored_matches(stored))
    products = {side: {one.id for one in candidates[side]} for side in Side}
    variants = {side: {variant.id for one in candidates[side] for variant in one.variants} for side in Side}
    await pairs.apply(tx, link.id, change_pairs(stored, result, products, variants))
    await pairs.replace_problems(tx, link.id, chosen, result.problems)


async def _plan(tx: AsyncConnection, link: Link, currencies: tuple[str | None, str | None]) -> tuple[int, bool]:
    """Plan pairs of products that are to be planned. Return how many were, and whether anything was decided anew.

    `currencies` are those of both accounts, the shop's first.
    """
    ids = await pairs.list_unplanned(tx, link.id, MAX_RECORDS)
    if not ids:
        return 0, False
    settings = LinkSettings.model_validate(link.settings)
    if settings.locations:
        await pairs.arrange_stock(tx, link.id, ids)
    loaded = await pairs.load(tx, ids)
    known = {side: await _load_records(tx, link, side, loaded) for side in Side}
    units = {side: await _load_units(tx, link, side, loaded) for side in Side}
    before = await plans.load_lines(tx, [pair.id for pair in loaded])
    open_lines = await _find_open_lines(tx, before)
    grouped = defaultdict[UUID, list[Pair]](list)
    for pair in loaded:
        grouped[pair.product_pair or pair.id].append(pair)
    planned = list[PlannedPair]()
    for product_id, of_product in grouped.items():
        product = next(pair for pair in of_product if pair.id == product_id)
        shopify = known[Side.SHOPIFY].get(product.shopify_id or "")
        odoo = known[Side.ODOO].get(product.odoo_id or "")
        rules = settings.build_rules(find_currency((shopify, currencies[0]), (odoo, currencies[1])))
        of_stock = [pair for pair in of_product if pair.resource == STOCK]
        of_fields = [pair for pair in of_product if pair.resource != STOCK]
        planned += plan_product(of_fields, shopify, odoo, settings, rules, open_lines)
        planned += [
            plan_stock_pair(
                pair,
                StockOfProduct(shopify, units[Side.SHOPIFY]),
                StockOfProduct(odoo, units[Side.ODOO]),
                settings,
                open_lines.get(pair.id, {}),
            )
            for pair in of_stock
        ]
    changed = [one for one in planned if not plans.is_same_plan(one.lines, before.get(one.id, {}).values())]
    await pairs.save(tx, list(_keep_failures(planned, loaded, {one.id for one in changed})))
    if changed:
        await _store_lines(tx, link, changed)
    return len(ids), bool(changed)


async def _find_open_lines(
    tx: AsyncConnection, lines: Mapping[UUID, Mapping[str, PlanLine]]
) -> dict[UUID, dict[str, PlanLine]]:
    """Return the lines that are being written, by pair and field."""
    fields = await writes.list_open_fields(tx, lines.keys())
    return {pair: {name: lines[pair][name] for name in names if name in lines[pair]} for pair, names in fields.items()}


def _keep_failures(
    planned: Iterable[PlannedPair], loaded: Iterable[Pair], changed: Collection[UUID]
) -> Iterator[PlannedPair]:
    """Yield the pairs with the error of their write that has failed, if nothing else was decided about them."""
    failed = {pair.id: pair for pair in loaded if pair.failed_write is not None and pair.id not in changed}
    for one in planned:
        pair = failed.get(one.id)
        yield replace(one, state=pair.state, reason=pair.reason) if pair else one


async def _load_records(tx: AsyncConnection, link: Link, side: Side, loaded: Sequence[Pair]) -> dict[str, KnownRecord]:
    """Return the products of one side that are in these pairs and exist, by id."""
    wanted = {
        record
        for pair in loaded
        if pair.product_pair is None and (record := pair.shopify_id if side is Side.SHOPIFY else pair.odoo_id)
    }
    found = await records.load(tx, link.id, side, wanted)
    return {one.id: KnownRecord(one.record, one.seen_at) for one in found.values() if one.record is not None}


async def _load_units(tx: AsyncConnection, link: Link, side: Side, loaded: Sequence[Pair]) -> dict[str, dict[str, int]]:
    """Return the units by location that one side has of the variants whose stock is in these pairs, by variant."""
    stocked = [pair for pair in loaded if pair.resource == STOCK]
    wanted = [pair.shopify_id if side is Side.SHOPIFY else pair.odoo_id for pair in stocked]
    return await records.load_units(tx, link.id, side, [variant for variant in wanted if variant])


async def _store_lines(tx: AsyncConnection, link: Link, changed: Sequence[PlannedPair]) -> None:
    """Store the lines of pairs about which something was decided anew, as a plan with the next number."""
    number = await links.raise_plan_number(tx, link.id)
    await plans.replace_lines(tx, link.id, changed, number)
    await pairs.forget_failed(tx, [one.id for one in changed])
    await plans.insert(tx, link.id, number, len(changed), await plans.count_writes(tx, link.id))
