"""Publishes whether merchants' documents in the bucket show the latest states of connections."""

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import uuid4

from contracts.topics import DATA_STORED
from messaging.outbox import enqueue
from messaging.publisher import OutboundMessage
from spaces_writer.store import merchants

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def publish_document_states(tx: "AsyncConnection", connections: Collection[str]) -> None:
    """Enqueue an event for each of the connections: a merchant's document shows it, or since when and why it does not.

    The event names no merchant, because the topic keeps it longer than a redaction takes.
    """
    if not connections:
        return
    events = await merchants.load_document_states(tx, connections)
    await enqueue(tx, [OutboundMessage(DATA_STORED, event.connection, event, str(uuid4())) for event in events])
