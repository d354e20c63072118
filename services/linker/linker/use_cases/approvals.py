"""What people decide about links: that a draft is written, which side wins a conflict, that failed writes go again."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import parse_account, parse_platform
from linker.store import connections, links, pairs, records, sides
from linker.store.links import ACTIVE, DRAFT, Link
from linker.use_cases.link_events import publish_link
from linking.records import PRODUCTS, Side
from linking.settings import LinkSettings
from platform_sdk.errors import RequestRejectedError
from platforms.shopify.scopes import LINK_SCOPES, STOCK_SCOPES

log = structlog.get_logger()
CONFLICT, NOT_FOUND = 409, 404


@dataclass(frozen=True)
class MissingGrant:
    """Scopes that a connection has not granted, and the query of the sign-in at the gateway that asks for them."""

    connection: str
    scopes: tuple[str, ...]
    query: str


async def approve_draft(tx: AsyncConnection, link: Link, plan: int | None = None) -> None:
    """Let what a draft lists be written, and from then on every change as it comes.

    Conflicts are decided by the authority of their fields; those for which nobody may decide stay. Raises
    `RequestRejectedError` if the link is no draft, or if another plan than number `plan` would be approved.
    """
    if link.state != DRAFT:
        raise RequestRejectedError(CONFLICT, f"the link is {link.state}: there is no draft to approve")
    await _check_scopes(tx, link)
    if reason := await find_unusable_domain(tx, link):
        raise RequestRejectedError(CONFLICT, reason)
    if plan is not None and plan != link.plan_number:
        raise RequestRejectedError(
            CONFLICT, f"the plan has changed since: look at plan {link.plan_number}, and approve that"
        )
    await pairs.settle(tx, link.id)
    await pairs.mark_unplanned(tx, link.id, None)
    await links.begin_approval(tx, link.id)
    await links.set_state(tx, link.id, ACTIVE)
    await publish_link(tx, link.id)
    log.info("draft approved", link=str(link.id), plan=link.plan_number)


async def _check_scopes(tx: AsyncConnection, link: Link) -> None:
    """Raise `RequestRejectedError` if the shop has not granted what a link needs."""
    missing = await find_missing_grant(tx, link)
    if missing:
        path = f"/{parse_platform(missing.connection)}/{parse_account(missing.connection)}/login?{missing.query}"
        raise RequestRejectedError(
            CONFLICT,
            f"the shop has not granted {', '.join(missing.scopes)}: the merchant opens {path} at the gateway, and"
            " agrees",
        )


async def find_unusable_domain(tx: AsyncConnection, link: Link) -> str | None:
    """Return why no product of the database can meet the link's domain; None if products can."""
    lacking = await records.list_lacking(tx, link.id)
    if not lacking:
        return None
    return (
        f"the database has no field {', '.join(lacking)}, so that no product meets the link's odoo_domain: end the"
        " link, and make it with another one"
    )


async def find_missing_grant(tx: AsyncConnection, link: Link) -> MissingGrant | None:
    """Return what the shop has not granted of what the link needs; None if it has granted all of it."""
    shop, _ = await sides.list_by_link(tx, link.id)
    known = await connections.get(tx, shop.connection)
    has_stock = bool(LinkSettings.model_validate(link.settings).locations)
    needed = (*LINK_SCOPES, *STOCK_SCOPES) if has_stock else LINK_SCOPES
    missing = tuple(scope for scope in needed if known is None or scope not in known.scopes)
    return MissingGrant(shop.connection, missing, "link=stock" if has_stock else "link=1") if missing else None


async def settle_conflicts(
    tx: AsyncConnection,
    link: Link,
    winner: Side,
    *,
    record: str | None = None,
    resource: str | None = None,
    field: str | None = None,
) -> int:
    """Decide conflicts: the other side gets the winner's value. Return the number of pairs that had any.

    `record` is the id of a record of either side, and `field` the name of a field; None stands for all. Raises
    `RequestRejectedError` if nothing is in conflict there, or if the id is a product's and another one's as well and no
    `resource` says which.
    """
    chosen: Sequence[UUID] | None = None
    if record is not None:
        found = await pairs.find_pairs_of_record(tx, link.id, record, resource)
        if PRODUCTS in found.values() and len(found) > 1:
            names = ", ".join(sorted(set(found.values())))
            raise RequestRejectedError(CONFLICT, f"{record} is the id of several records ({names}): name the resource")
        chosen = list(found)
    settled = await pairs.settle(tx, link.id, ids=chosen, field=field, loser=winner.other)
    if not settled:
        words = "nothing is in conflict there, or only the stock of the side that counts it: correct that by a count"
        raise RequestRejectedError(NOT_FOUND, words)
    await pairs.mark_pairs_unplanned(tx, settled)
    log.info("conflicts settled", link=str(link.id), winner=winner, pairs=len(settled))
    return len(settled)


async def retry_failed(tx: AsyncConnection, link: Link, reason: str | None = None) -> int:
    """Have failed writes made again: those with this reason code, or all. Return the number of pairs."""
    number = await links.raise_plan_number(tx, link.id)
    renumbered = await pairs.set_numbers_of_failed(tx, link.id, number, reason)
    await pairs.mark_pairs_unplanned(tx, renumbered)
    return len(renumbered)
