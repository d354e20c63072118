"""An event of one connection touches no sync of another, and every statement on the ledger names the connection."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import TextClause

import scheduler.store
from contracts.events import (
    ConnectionChanged,
    DataStored,
    SyncProgressed,
    SyncRequested,
    SyncResult,
    SyncTotals,
)
from ledger_fixture import SHOP, Ledger, build_progress, build_request
from messaging.errors import ForeignMessageError, UnknownConnectionError

OTHER = "shopify:other.myshopify.com"
SYNC_ID_PARAMETERS = {"id", "ids", "sync_id", "missed"}
NAME_NO_CONNECTION = {
    "syncs._GET": "a look-up by the sync's id, whose caller compares the connection",
    "syncs._TOUCH": "of rows that the same transaction has just locked",
    "full_syncs._INSERT_STEP": "of a full sync that was locked for its connection",
    "full_syncs._USED_CURSORS": "of a full sync that was locked for its connection",
}
"""The statements that take a sync's id and no connection, with the reason."""


def list_statements() -> Iterator[tuple[str, TextClause]]:
    """Yield the name and the text of every statement of the scheduler's store."""
    for module in pkgutil.iter_modules(scheduler.store.__path__):
        names = vars(importlib.import_module(f"scheduler.store.{module.name}"))
        yield from ((f"{module.name}.{name}", one) for name, one in names.items() if isinstance(one, TextClause))


def test_every_statement_that_takes_a_syncs_id_names_the_connection() -> None:
    statements = dict(list_statements())
    takes_sync = {name: str(one) for name, one in statements.items() if SYNC_ID_PARAMETERS & set(one._bindparams)}
    assert len(takes_sync) > 12
    named = {name for name, sql in takes_sync.items() if ":connection" in sql.replace("::", "")}
    assert takes_sync.keys() - named == NAME_NO_CONNECTION.keys()


def build_totals(sync_id: UUID) -> DataStored:
    totals = SyncTotals(read_id=sync_id, pages=9, records=9)
    return DataStored(connection=OTHER, epoch=1, sequence=1, totals=(totals,))


def build_result(sync_id: UUID, status: Any) -> DataStored:
    result = SyncResult(sync_ids=(sync_id,), status=status, sequence=1, retry_cursors=("w1",))
    return DataStored(connection=OTHER, epoch=1, sequence=1, results=(result,))


def build_verification(sync_id: UUID) -> DataStored:
    records = {"products": ("p",)}
    return DataStored(connection=OTHER, epoch=1, sequence=1, records_to_verify=records, verification_id=sync_id)


def build_foreign_progress(sync_id: UUID, outcome: Any, step: int | None) -> SyncProgressed:
    return SyncProgressed(connection=OTHER, epoch=1, outcome=outcome, sync_ids=(sync_id,), step=step, retryable=False)


FOREIGN: dict[str, Callable[[UUID], Any]] = {
    "totals": build_totals,
    "success": lambda sync_id: build_result(sync_id, "success"),
    "failed": lambda sync_id: build_result(sync_id, "failed"),
    "incomplete": lambda sync_id: build_result(sync_id, "incomplete"),
    "cancelled": lambda sync_id: build_result(sync_id, "cancelled"),
    "verification": build_verification,
    "advanced": lambda sync_id: build_foreign_progress(sync_id, "advanced", 1),
    "completed": lambda sync_id: build_foreign_progress(sync_id, "completed", 1),
    "failed step": lambda sync_id: build_foreign_progress(sync_id, "failed", 1),
    "failed read": lambda sync_id: build_foreign_progress(sync_id, "failed", None),
    "request": lambda sync_id: build_request(sync_id).model_copy(update={"connection": OTHER, "attempt": 5}),
    "coalesced request": lambda sync_id: build_request(uuid4()).model_copy(
        update={"connection": OTHER, "coalesced_sync_ids": (sync_id,)}
    ),
    "wanted sync": lambda sync_id: ConnectionChanged(
        connection=OTHER, revision=2, epoch=1, state="connected", wanted_sync=sync_id
    ),
}


async def handle(ledger: Ledger, event: Any) -> None:
    handlers: dict[type, Any] = {
        DataStored: ledger.data_stored,
        SyncProgressed: ledger.progress,
        SyncRequested: ledger.requests,
        ConnectionChanged: ledger.connections,
    }
    await handlers[type(event)](event.connection, [event])


async def connect_other(ledger: Ledger) -> None:
    await handle(ledger, ConnectionChanged(connection=OTHER, revision=1, epoch=1, state="connected"))


@pytest.mark.integration
@pytest.mark.parametrize("kind", FOREIGN)
async def test_an_event_that_names_another_connections_sync_is_refused_and_changes_nothing(
    ledger: Ledger, kind: str
) -> None:
    await connect_other(ledger)
    full, incremental = await ledger.start_full_sync(), uuid4()
    await ledger.requests(SHOP, [build_request(incremental)])
    for sync_id in (full, incremental):
        before = await ledger.get_sync(sync_id)
        with pytest.raises(ForeignMessageError, match="another connection's"):
            await handle(ledger, FOREIGN[kind](sync_id))
        assert await ledger.get_sync(sync_id) == before
    assert await ledger.pop_messages() == []


@pytest.mark.integration
async def test_a_dead_letter_fails_the_syncs_of_its_own_connection_only(ledger: Ledger) -> None:
    await connect_other(ledger)
    sync_id = await ledger.start_full_sync()
    await ledger.dead_letters(OTHER, [{"connection": OTHER, "sync_ids": [str(sync_id)], "read_id": str(sync_id)}])
    assert (await ledger.get_sync(sync_id))["state"] == "running"
    await ledger.dead_letters(SHOP, [{"connection": SHOP, "sync_ids": [str(sync_id)]}])
    assert (await ledger.get_sync(sync_id))["state"] == "failed"


@pytest.mark.integration
async def test_an_epoch_that_is_not_known_yet_is_waited_for(ledger: Ledger) -> None:
    sync_id = await ledger.start_full_sync()
    ahead = {"epoch": 2}
    for event in (
        build_progress(sync_id, "advanced", step=1, cursor="c").model_copy(update=ahead),
        DataStored(connection=SHOP, epoch=2, sequence=1, totals=(SyncTotals(read_id=sync_id, pages=1),)),
        build_request(uuid4()).model_copy(update=ahead),
    ):
        with pytest.raises(UnknownConnectionError):
            await handle(ledger, event)
        with pytest.raises(UnknownConnectionError):
            await handle(ledger, event.model_copy(update={"connection": OTHER, "epoch": 1}))
    assert await ledger.pop_messages() == []


@pytest.mark.integration
async def test_an_epoch_never_falls(ledger: Ledger) -> None:
    await ledger.change_connection(revision=3, epoch=4)
    with pytest.raises(ForeignMessageError, match="epoch 3, after epoch 4"):
        await ledger.change_connection(revision=4, epoch=3, state="redacted")
    await ledger.change_connection(revision=2, epoch=3, state="redacted")
    await ledger.change_connection(revision=4, epoch=4)
