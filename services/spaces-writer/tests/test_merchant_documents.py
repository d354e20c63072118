"""The state of a merchant's document is published: since when it lacks a connection's latest state, and why."""

import time
from itertools import pairwise
from uuid import UUID

import pytest

from contracts.events import DataStored, MerchantDocument
from spaces_writer.object_keys import build_merchant_key
from spaces_writer.store import merchants
from writer_builders import MERCHANT, PAGE, SHOP, make_connection, make_page_connection
from writer_harness import Writer

pytestmark = pytest.mark.integration
OTHER = UUID("00000000-0000-0000-0000-00000000000b")


def get_state(events: list[DataStored], connection: str = SHOP) -> MerchantDocument:
    """Return the latest state of the connection's merchant's document among the events."""
    states = [one.merchant_document for one in events if one.connection == connection and one.merchant_document]
    return states[-1]


async def update_document(writer: Writer, merchant: UUID = MERCHANT) -> list[DataStored]:
    """Update the merchant's document, and return what the writer publishes."""
    await writer.merchant_documents.put_or_delete_document(merchant)
    return await writer.drain_outbox()


async def list_due(writer: Writer, now: float) -> list[UUID]:
    async with writer.database.transaction() as tx:
        return await merchants.list_due(tx, now)


async def test_a_change_is_published_as_open_until_the_document_shows_it(writer: Writer) -> None:
    await update_document(writer)
    changed = get_state(await writer.update_connection(make_connection(revision=2, state="reauthorise")))
    assert changed.changed_at is not None and abs(changed.changed_at / 1000 - time.time()) < 60
    assert get_state(await update_document(writer)) == MerchantDocument(changed_at=None)


async def test_a_failed_update_is_published_with_its_reason_and_tried_again_with_growing_pauses(
    writer: Writer,
) -> None:
    writer.bucket.refused_keys.add(build_merchant_key(MERCHANT))
    states = [get_state(await update_document(writer)) for _ in range(3)]
    assert {state.reason for state in states} == {"SlowDown: try again later"}
    assert len({state.changed_at for state in states} - {None}) == 1
    pauses = [later.not_before - earlier.not_before for earlier, later in pairwise(states)]
    assert 0 < pauses[0] < pauses[1]
    before, after = states[-1].not_before / 1000 - 1, states[-1].not_before / 1000 + 1
    assert (await list_due(writer, before), await list_due(writer, after)) == ([], [MERCHANT])
    writer.bucket.refused_keys.clear()
    assert get_state(await update_document(writer)) == MerchantDocument(changed_at=None)
    assert await writer.query_scalar("SELECT (failures, reason, not_before) FROM merchants") == (0, None, 0)


async def test_only_the_connections_that_the_document_does_not_show_are_named_as_behind(writer: Writer) -> None:
    await update_document(writer)
    await writer.update_connection(make_page_connection())
    writer.bucket.is_unavailable = True
    assert [event.connection for event in await update_document(writer)] == [PAGE]


async def test_a_moved_account_is_behind_until_both_documents_are_right(writer: Writer) -> None:
    await writer.update_connection(make_page_connection())
    await update_document(writer)
    await writer.update_connection(make_page_connection(revision=2, merchant=OTHER))
    writer.bucket.refused_keys.add(build_merchant_key(MERCHANT))
    await update_document(writer)
    assert get_state(await update_document(writer, OTHER), PAGE).reason == "SlowDown: try again later"
    writer.bucket.refused_keys.clear()
    assert get_state(await update_document(writer), PAGE) == MerchantDocument(changed_at=None)


async def test_a_document_that_must_be_deleted_and_is_not_is_published_too(writer: Writer) -> None:
    await writer.update_connection(make_page_connection(merchant=OTHER))
    await update_document(writer, OTHER)
    await writer.update_connection(make_page_connection(revision=2, merchant=MERCHANT))
    await update_document(writer)
    writer.bucket.refused_keys.add(build_merchant_key(OTHER))
    assert get_state(await update_document(writer, OTHER), PAGE).reason == "SlowDown: try again later"


async def test_no_event_names_a_merchant(writer: Writer) -> None:
    writer.bucket.is_unavailable = True
    events = [*await writer.update_connection(make_connection(revision=2)), *await update_document(writer)]
    assert len(events) == 2
    assert not [event for event in events if str(MERCHANT) in event.model_dump_json()]
