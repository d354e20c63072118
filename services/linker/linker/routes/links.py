"""The HTTP routes of links: `/links…` for the operator, and `/merchants/{merchant}/links…` for the gateway.

Both have the same routes. Those of a merchant reach the links of this merchant alone, whatever the caller asks for. A
link is named by the connection of its shop, which has one link at most.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionName
from database.pool import Database
from linker.link_views import build_failures_view, build_link_view, build_plan_view, build_sync_view
from linker.store import link_syncs, links, pairs, plans, sides, writes
from linker.store.link_syncs import LinkSync
from linker.store.links import Link
from linker.use_cases.approvals import approve_draft, find_missing_grant, retry_failed, settle_conflicts
from linker.use_cases.bookings import book_sales
from linker.use_cases.link_states import (
    BY_MERCHANT,
    BY_OPERATOR,
    create_link,
    end_link,
    lock_link,
    pause_link,
    resume_link,
)
from linker.use_cases.link_syncs import cancel_link_sync, request_link_sync, requeue_link_sync
from linking.records import Side
from linking.settings import LinkSettings
from platform_sdk.errors import NotFoundError, RequestRejectedError
from service.service_auth import identify_caller

OPERATOR, GATEWAY = "operator", "gateway"
MAX_LISTED = 1000
Limit = Annotated[int, Query(ge=0, le=MAX_LISTED)]


class NewLink(BaseModel):
    """The two connections to link, and the link's settings."""

    model_config = ConfigDict(extra="forbid")
    shop: ConnectionName
    database: ConnectionName
    settings: LinkSettings = LinkSettings()


class Approval(BaseModel):
    """The number of the plan that is approved; None for the present one, whatever it is."""

    model_config = ConfigDict(extra="forbid")
    plan: int | None = None


class Settlement(BaseModel):
    """Which side wins conflicts: of a record of either side and a field, or of all for None.

    `resource` tells records of one id apart: in Odoo, a product and a variant may have the same.
    """

    model_config = ConfigDict(extra="forbid")
    winner: Side
    record: str | None = None
    resource: Literal["products", "variants", "stock"] | None = None
    field: str | None = None


class Booking(BaseModel):
    """Which sales were booked on the side that counts: of a variant of either side and a location, or all for None.

    `quantity` is how many units; None stands for all that are unbooked there.
    """

    model_config = ConfigDict(extra="forbid")
    record: str | None = None
    location: str | None = None
    quantity: int | None = None


class Retry(BaseModel):
    """Which failed writes are made again: those with a reason code, or all for None."""

    model_config = ConfigDict(extra="forbid")
    reason: str | None = None


class NewSync(BaseModel):
    """The mode of a sync (`linking.sync_modes.MODES`), and the products that it is about if the mode takes any.

    They are products of the side that is read, by their ids there.
    """

    model_config = ConfigDict(extra="forbid")
    mode: str
    ids: tuple[str, ...] = ()


def _get_merchant(request: Request) -> UUID | None:
    """Return the merchant whose links alone the path reaches; None where it reaches those of all merchants."""
    if (merchant := request.path_params.get("merchant")) is None:
        return None
    try:
        return UUID(merchant)
    except ValueError:
        raise HTTPException(404, "there is no such merchant") from None


Merchant = Annotated[UUID | None, Depends(_get_merchant)]


async def _pause_by_operator(tx: AsyncConnection, link: Link) -> None:
    await pause_link(tx, link, BY_OPERATOR)


async def _pause_by_merchant(tx: AsyncConnection, link: Link) -> None:
    await pause_link(tx, link, BY_MERCHANT)


_Action = Callable[[AsyncConnection, Link], Awaitable[None]]
_SyncChange = Callable[[AsyncConnection, Link, UUID], Awaitable[LinkSync]]
_ACTIONS: Mapping[str, _Action] = {"pause": _pause_by_operator, "resume": resume_link, "end": end_link}
_ACTIONS_OF_MERCHANTS: Mapping[str, _Action] = {**_ACTIONS, "pause": _pause_by_merchant}


def build_link_routes(database: Database, callers: Mapping[str, str], *, on_changed: Callable[[], None]) -> APIRouter:
    """Build the routes of links.

    `callers` are the names of the callers by the SHA-256 of their keys, and `on_changed` is called after each change.
    """

    def require(caller: str) -> Any:
        def check_caller(authorization: str = Header(default="")) -> None:
            if identify_caller(callers, authorization) != caller:
                raise HTTPException(401, f"the key of {caller} is needed")

        return Depends(check_caller)

    links_of_all, links_of_one = _build_routes(database, on_changed), _build_routes(database, on_changed)
    router = APIRouter()
    router.include_router(links_of_all, dependencies=[require(OPERATOR)])
    router.include_router(links_of_one, prefix="/merchants/{merchant}", dependencies=[require(GATEWAY)])
    return router


def _build_routes(database: Database, on_changed: Callable[[], None]) -> APIRouter:
    """Build the routes, without saying who may call them."""
    router = APIRouter()
    _add_decisions(router, database, on_changed)
    _add_syncs(router, database, on_changed)
    _add_states(router, database, on_changed)
    _add_views(router, database)
    return router


def _add_views(router: APIRouter, database: Database) -> None:
    """Add the routes that show links. That of a link itself comes last: its path may have any number of parts."""

    @router.get("/links")
    async def list_links(merchant: Merchant) -> dict[str, Any]:
        async with database.transaction() as tx:
            found = [await links.get(tx, link_id) for link_id in await sides.list_open_links(tx, merchant)]
            return {"links": [await _load_view(tx, link) for link in found if link is not None]}

    @router.get("/links/{shop:path}/plan")
    async def read_plan(
        shop: str,
        merchant: Merchant,
        limit: Limit = 100,
        action: str | None = None,
    ) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction("REPEATABLE READ") as tx:
                link = await _find_link(tx, shop, merchant)
                return build_plan_view(
                    link,
                    plan=await plans.get(tx, link.id, link.plan_number),
                    counts=await plans.count_lines(tx, link.id),
                    lines=await plans.list_lines(tx, link.id, limit, action=action),
                    unlinked_counts=await pairs.count_unlinked(tx, link.id),
                    unlinked=await pairs.list_unlinked(tx, link.id, limit),
                    problem_counts=await pairs.count_problems(tx, link.id),
                    problems=await pairs.list_problems(tx, link.id, limit),
                )

    @router.get("/links/{shop:path}/failures")
    async def read_failures(
        shop: str, merchant: Merchant, limit: Limit = 100
    ) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction("REPEATABLE READ") as tx:
                link = await _find_link(tx, shop, merchant)
                failures = await writes.list_failed(tx, link.id, limit)
                return build_failures_view(failures, await writes.count_by_outcome(tx, link.id))

    @router.get("/links/{shop:path}/unbooked")
    async def read_unbooked(
        shop: str, merchant: Merchant, limit: Limit = 100
    ) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction() as tx:
                link = await _find_link(tx, shop, merchant)
                return {"unbooked": await pairs.list_unbooked_units(tx, link.id, limit)}

    @router.get("/links/{shop:path}")
    async def read_link(shop: str, merchant: Merchant) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction() as tx:
                return await _load_view(tx, await _find_link(tx, shop, merchant))


def _add_decisions(router: APIRouter, database: Database, on_changed: Callable[[], None]) -> None:
    """Add the routes by which people decide what is written."""

    @router.post("/links/{shop:path}/approve")
    async def approve_plan(shop: str, approval: Approval, merchant: Merchant) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction() as tx:
                await approve_draft(tx, await lock_link(tx, shop, merchant), approval.plan)
                view = await _load_view(tx, await lock_link(tx, shop, merchant))
        on_changed()
        return view

    @router.post("/links/{shop:path}/settle")
    async def settle(shop: str, choice: Settlement, merchant: Merchant) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction() as tx:
                link = await lock_link(tx, shop, merchant)
                settled = await settle_conflicts(
                    tx, link, choice.winner, record=choice.record, resource=choice.resource, field=choice.field
                )
        on_changed()
        return {"pairs": settled}

    @router.post("/links/{shop:path}/book")
    async def book(shop: str, booking: Booking, merchant: Merchant) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction() as tx:
                link = await lock_link(tx, shop, merchant)
                units = await book_sales(
                    tx, link, record=booking.record, location=booking.location, quantity=booking.quantity
                )
        on_changed()
        return {"units": units}

    @router.post("/links/{shop:path}/retry")
    async def retry(shop: str, chosen: Retry, merchant: Merchant) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction() as tx:
                retried = await retry_failed(tx, await lock_link(tx, shop, merchant), chosen.reason)
        on_changed()
        return {"pairs": retried}


def _add_syncs(router: APIRouter, database: Database, on_changed: Callable[[], None]) -> None:
    """Add the routes of link syncs."""

    @router.post("/links/{shop:path}/syncs", status_code=202)
    async def request_sync(shop: str, new: NewSync, merchant: Merchant) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction() as tx:
                sync = await request_link_sync(tx, await lock_link(tx, shop, merchant), new.mode, new.ids)
                view = await _load_sync_view(tx, sync)
        on_changed()
        return view

    @router.get("/links/{shop:path}/syncs")
    async def list_syncs(shop: str, merchant: Merchant, limit: Limit = 20) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction("REPEATABLE READ") as tx:
                link = await _find_link(tx, shop, merchant)
                latest = await link_syncs.list_latest(tx, link.id, limit)
                return {"syncs": [await _load_sync_view(tx, sync) for sync in latest]}

    @router.get("/links/{shop:path}/syncs/{sync_id:uuid}")
    async def read_sync(shop: str, sync_id: UUID, merchant: Merchant) -> dict[str, Any]:
        with _translate_refusals("the link has no such sync"):
            async with database.transaction("REPEATABLE READ") as tx:
                link = await _find_link(tx, shop, merchant)
                sync = await link_syncs.get(tx, link.id, sync_id)
                if sync is None:
                    raise NotFoundError
                return await _load_sync_view(tx, sync)

    async def change_sync(change: _SyncChange, shop: str, sync_id: UUID, merchant: UUID | None) -> dict[str, Any]:
        with _translate_refusals("the link has no such sync"):
            async with database.transaction() as tx:
                view = await _load_sync_view(tx, await change(tx, await lock_link(tx, shop, merchant), sync_id))
        on_changed()
        return view

    @router.post("/links/{shop:path}/syncs/{sync_id:uuid}/cancel")
    async def cancel_sync(shop: str, sync_id: UUID, merchant: Merchant) -> dict[str, Any]:
        return await change_sync(cancel_link_sync, shop, sync_id, merchant)

    @router.post("/links/{shop:path}/syncs/{sync_id:uuid}/requeue", status_code=202)
    async def requeue_sync(shop: str, sync_id: UUID, merchant: Merchant) -> dict[str, Any]:
        return await change_sync(requeue_link_sync, shop, sync_id, merchant)


def _add_states(router: APIRouter, database: Database, on_changed: Callable[[], None]) -> None:
    """Add the routes that make links and change their state."""

    @router.post("/links", status_code=201)
    async def make_link(new: NewLink, merchant: Merchant) -> dict[str, Any]:
        with _translate_refusals():
            async with database.transaction() as tx:
                await create_link(tx, new.shop, new.database, new.settings, merchant=merchant)
                view = await _load_view(tx, await lock_link(tx, new.shop, merchant))
        on_changed()
        return view

    @router.post("/links/{shop:path}/{action}")
    async def change_link(shop: str, action: Literal["pause", "resume", "end"], merchant: Merchant) -> dict[str, Any]:
        actions = _ACTIONS if merchant is None else _ACTIONS_OF_MERCHANTS
        with _translate_refusals():
            async with database.transaction() as tx:
                link = await lock_link(tx, shop, merchant)
                await actions[action](tx, link)
                view = await _load_view(tx, await links.lock(tx, link.id) or link)
        on_changed()
        return view


@contextmanager
def _translate_refusals(missing: str = "the shop has no link") -> Iterator[None]:
    """Answer 404 and what is `missing` if there is none, and otherwise with the status and the reason of a refusal."""
    try:
        yield
    except NotFoundError:
        raise HTTPException(404, missing) from None
    except RequestRejectedError as error:
        raise HTTPException(error.status, error.reason) from None


async def _find_link(tx: AsyncConnection, shop: str, merchant: UUID | None) -> Link:
    link_id = await sides.find_link(tx, shop)
    link = await links.get(tx, link_id) if link_id else None
    if link is None or merchant not in (None, link.merchant):
        raise NotFoundError
    return link


async def _load_view(tx: AsyncConnection, link: Link) -> dict[str, Any]:
    return build_link_view(
        link,
        await sides.list_by_link(tx, link.id),
        missing_grant=await find_missing_grant(tx, link),
        pair_counts=await pairs.count_states(tx, link.id),
        problem_counts=await pairs.count_problems(tx, link.id),
        line_counts=await plans.count_writes(tx, link.id),
        unbooked=await pairs.count_unbooked(tx, link.id),
    )


async def _load_sync_view(tx: AsyncConnection, sync: LinkSync) -> dict[str, Any]:
    is_running = sync.started_at is not None and sync.finished_at is None
    return build_sync_view(
        sync,
        figures=await link_syncs.count_figures(tx, sync) if is_running else sync.figures,
        mark=await link_syncs.find_mark(tx, sync),
    )
