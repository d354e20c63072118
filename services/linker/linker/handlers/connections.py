"""Consumes `connection.changed`."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.events import ConnectionChanged
from linker.store import connections, links, sides, writes
from linker.store.connections import KnownConnection
from linker.store.links import Link
from linker.store.sides import LinkSide
from linker.use_cases.link_states import delete_values, pause_link
from messaging.message_checks import check_epochs
from messaging.outbox import Transaction
from platform_sdk.errors import describe_ended_state

ATTACHED = ("connected", "reauthorise")
"""The states of a connection in which its account belongs to the merchant as before."""


class ConnectionStateHandler:
    """Pauses links of which a side is detached or has moved to another merchant, and deletes what was redacted."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def __call__(self, connection: str, events: Sequence[ConnectionChanged]) -> None:
        """Apply the event with the highest revision, unless the stored revision is as high.

        A redaction among the earlier events is executed too. Raises `ForeignMessageError` if the epoch falls.
        """
        newest = max(events, key=lambda event: event.revision)
        async with self._transaction() as tx:
            known = await connections.lock(tx, connection)
            if known is not None and known.revision >= newest.revision:
                return
            check_epochs(events, revision=known.revision if known else 0, epoch=known.epoch if known else 0)
            await connections.upsert(tx, newest)
            redacted = _find_redaction(events, known)
            for side in await sides.list_by_connection(tx, connection):
                link = await links.lock(tx, side.link)
                if link is not None:
                    await _follow_state(tx, link, side, newest, redacted)
            if newest.state == "connected":
                await writes.make_due(tx, connection)


def _find_redaction(events: Sequence[ConnectionChanged], known: KnownConnection | None) -> int:
    """Return the epoch of the latest redaction that the events tell of; 0 if they tell of none that is new."""
    epochs = [event.epoch for event in events if event.state == "redacted"]
    return max([*epochs, *(event.redacted_epoch for event in events)], default=0) if known is not None else 0


async def _follow_state(
    tx: AsyncConnection, link: Link, side: LinkSide, event: ConnectionChanged, redacted_epoch: int
) -> None:
    """Pause the link if the side is no more what was linked, and delete its values if they were redacted since."""
    if redacted_epoch > side.epoch:
        await delete_values(tx, link)
        await pause_link(tx, link, f"{side.connection}: {describe_ended_state('redacted')}", is_final=True)
    elif event.state not in ATTACHED:
        await pause_link(tx, link, f"{side.connection}: {describe_ended_state(event.state)}")
    elif event.epoch != side.epoch:
        await pause_link(tx, link, f"{side.connection}: the account was detached, and is connected again")
    elif event.merchant != link.merchant:
        await pause_link(tx, link, f"{side.connection}: the account belongs to another merchant now")
