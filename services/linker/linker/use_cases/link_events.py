"""Publishes the state of links."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import LinkChanged
from contracts.topics import LINK_CHANGED
from linker.store import links, pairs, plans, sides
from messaging.outbox import enqueue
from messaging.publisher import OutboundMessage


async def publish_link(tx: AsyncConnection, link_id: UUID) -> None:
    """Enqueue the present state of a link as `link.changed`. The caller has the link's lock."""
    link = await links.get(tx, link_id)
    if link is None:
        return
    shop, database = await sides.list_by_link(tx, link_id)
    revision = await links.raise_revision(tx)
    counts = await plans.count_writes(tx, link_id)
    event = LinkChanged(
        connection=shop.connection,
        link_id=link.id,
        revision=revision,
        odoo=database.connection,
        merchant=link.merchant,
        state=link.state,
        reason=link.reason,
        plan_number=link.plan_number,
        pairs=await pairs.count_states(tx, link_id),
        planned_fields=counts.writes,
    )
    await enqueue(tx, [OutboundMessage(LINK_CHANGED, shop.connection, event, f"{shop.connection}:{revision}")])
