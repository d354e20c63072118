"""A redaction deletes the data from the database and the bucket and publishes it, and nothing restores the data."""

import asyncio
from uuid import UUID

import orjson
import pytest

from contracts.events import DataStored, Erasure
from messaging.errors import UnavailableError, UnknownConnectionError
from spaces_writer.object_keys import build_merchant_key
from spaces_writer.store import snapshots
from spaces_writer.use_cases.eraser import Eraser
from writer_builders import (
    MERCHANT,
    PAGE,
    PAGE_KEY,
    SHOP,
    make_direct_read,
    make_full_read,
    make_page_connection,
    make_page_record,
    make_redaction,
)
from writer_harness import MemoryBucket, Writer

pytestmark = pytest.mark.integration
TABLES = ("records", "bodies", "chunks", "pages", "id_ranges", "full_reads", "sync_results", "snapshots")
OTHER = UUID("00000000-0000-0000-0000-00000000000b")


class KillingBucket(MemoryBucket):
    """A bucket whose process is killed just after a deletion."""

    def __init__(self, bucket: MemoryBucket) -> None:
        super().__init__()
        self.objects = bucket.objects

    async def delete(self, key: str) -> None:
        await super().delete(key)
        raise asyncio.CancelledError


async def store_page(writer: Writer, *, merchant: UUID = OTHER) -> None:
    """Store a page and upload its object and its merchant's document."""
    await writer.update_connection(make_page_connection(merchant=merchant))
    await writer.ingest_full_read(*make_full_read(make_page_record(read_at=1_000)))
    await writer.ingest(make_direct_read(make_page_record(read_at=90_000)))
    await writer.build(PAGE)
    await writer.merchant_documents.put_or_delete_document(merchant)
    assert {PAGE_KEY, build_merchant_key(merchant)} <= set(writer.bucket.objects)


async def count_remaining_rows(writer: Writer) -> dict[str, int]:
    """Return the number of the page's rows in each table with data of connections, without empty ones."""
    counts = {t: await writer.query_scalar(f"SELECT count(*) FROM {t} WHERE connection = '{PAGE}'") for t in TABLES}
    return {table: count for table, count in counts.items() if count}


async def run_eraser(writer: Writer) -> list[Erasure]:
    """Update the merchants' documents, run the eraser once, and return the erasures that it published."""
    for merchant in (MERCHANT, OTHER):
        await writer.merchant_documents.put_or_delete_document(merchant)
    await writer.eraser.execute_due_erasures()
    return [event.erasure for event in await writer.drain_outbox() if event.erasure]


async def make_erasures_due(writer: Writer) -> None:
    await writer.execute("UPDATE erasures SET due_at = now()")


async def test_a_redaction_leaves_only_name_and_epoch(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    (erasure,) = await run_eraser(writer)
    assert erasure.object_keys == (PAGE_KEY,)
    assert await count_remaining_rows(writer) == {}
    assert PAGE_KEY not in writer.bucket.objects
    row = f"SELECT (merchant, last_sync_id, fully_read) FROM connections WHERE connection = '{PAGE}'"
    assert await writer.query_scalar(row) == (None, None, False)
    await make_erasures_due(writer)
    assert await run_eraser(writer) == []
    assert await writer.query_scalar("SELECT count(*) FROM erasures") == 0
    assert await count_remaining_rows(writer) == {}


async def test_what_another_connection_stored_stays(writer: Writer) -> None:
    await store_page(writer)
    await writer.execute(f"UPDATE records SET connection = '{SHOP}'")
    await writer.update_connection(make_redaction())
    await run_eraser(writer)
    assert await writer.query_scalar("SELECT count(*) FROM records") == 1


async def test_a_merchant_without_a_connection_has_no_document(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    await writer.merchant_documents.put_or_delete_document(OTHER)
    assert build_merchant_key(OTHER) not in writer.bucket.objects
    assert await writer.query_scalar(f"SELECT count(*) FROM merchants WHERE merchant = '{OTHER}'") == 0


async def test_a_merchants_document_names_the_remaining_connections(writer: Writer) -> None:
    await store_page(writer, merchant=MERCHANT)
    await writer.update_connection(make_redaction())
    await writer.merchant_documents.put_or_delete_document(MERCHANT)
    listed = orjson.loads(writer.bucket.objects[build_merchant_key(MERCHANT)][0])["connections"]
    assert [entry["connection"] for entry in listed] == [SHOP]


async def test_a_connection_of_another_merchant_is_put_anew_with_that_merchants_name(writer: Writer) -> None:
    await store_page(writer, merchant=MERCHANT)
    await writer.update_connection(make_page_connection(revision=2, merchant=OTHER))
    upload = await writer.build(PAGE)
    assert upload is not None
    assert upload.outcome == "uploaded"
    assert writer.bucket.objects[PAGE_KEY][1]["merchant"] == str(OTHER)


async def test_pages_in_flight_restore_nothing(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    events = await writer.ingest_full_read(*make_full_read(make_page_record(read_at=99_000)))
    events += await writer.ingest(make_direct_read(make_page_record(read_at=99_000)))
    assert [result.status for event in events for result in event.results] == ["cancelled"] * 4
    await run_eraser(writer)
    assert await count_remaining_rows(writer) == {}
    assert await writer.build(PAGE) is None


async def test_pages_of_a_grant_newer_than_the_redaction_are_held_until_its_epoch_is_received(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    await run_eraser(writer)
    for epoch in (2, 3):
        with pytest.raises(UnknownConnectionError):
            await writer.ingest(make_direct_read(make_page_record(read_at=99_000), epoch=epoch))
    assert await count_remaining_rows(writer) == {}
    await writer.update_connection(make_page_connection(revision=3, epoch=2))
    await writer.ingest(make_direct_read(make_page_record(read_at=99_000), epoch=2))
    assert await writer.query_scalar("SELECT count(*) FROM bodies") == 1


async def test_killed_between_the_deletion_and_its_commit_it_deletes_again_and_publishes_once(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    killed = Eraser(writer.database, KillingBucket(writer.bucket), on_erased=lambda: None)
    with pytest.raises(asyncio.CancelledError):
        await killed.delete_object_if_due(PAGE)
    assert PAGE_KEY not in writer.bucket.objects
    assert await writer.drain_outbox() == []
    assert len(await run_eraser(writer)) == 1
    assert await run_eraser(writer) == []


async def test_an_unavailable_bucket_is_tried_again_and_nothing_is_published_meanwhile(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    writer.bucket.is_unavailable = True
    with pytest.raises(UnavailableError):
        await writer.eraser.execute_due_erasures()
    assert await writer.merchant_documents.put_or_delete_document(OTHER) is False
    assert [event for event in await writer.drain_outbox() if event.erasure] == []
    writer.bucket.is_unavailable = False
    assert [erasure.object_keys for erasure in await run_eraser(writer)] == [(PAGE_KEY,)]
    assert build_merchant_key(OTHER) not in writer.bucket.objects


def list_named(writer: Writer, merchant: UUID) -> list[str]:
    """Return the connections that the merchant's document in the bucket names."""
    body, _ = writer.bucket.objects.get(build_merchant_key(merchant), (b'{"connections": []}', {}))
    return [entry["connection"] for entry in orjson.loads(body)["connections"]]


@pytest.mark.parametrize("merchant", [MERCHANT, OTHER])
async def test_an_erasure_is_reported_once_the_merchants_document_does_not_name_the_account(
    writer: Writer, merchant: UUID
) -> None:
    await store_page(writer, merchant=merchant)
    await writer.update_connection(make_redaction())
    writer.bucket.refused_keys.add(build_merchant_key(merchant))
    assert await run_eraser(writer) == []
    assert (PAGE_KEY in writer.bucket.objects, PAGE in list_named(writer, merchant)) == (False, True)
    await make_erasures_due(writer)
    assert await run_eraser(writer) == []
    writer.bucket.refused_keys.clear()
    assert [erasure.object_keys for erasure in await run_eraser(writer)] == [(PAGE_KEY,)]
    assert PAGE not in list_named(writer, merchant)
    assert await run_eraser(writer) == []
    assert await count_remaining_rows(writer) == {}


async def test_an_erasure_waits_for_the_document_of_the_merchant_that_the_account_was_moved_from(
    writer: Writer,
) -> None:
    await store_page(writer, merchant=OTHER)
    writer.bucket.refused_keys.add(build_merchant_key(OTHER))
    await writer.update_connection(make_page_connection(revision=2, merchant=MERCHANT))
    await writer.update_connection(make_redaction(revision=3))
    assert await run_eraser(writer) == []
    assert (PAGE in list_named(writer, OTHER), PAGE in list_named(writer, MERCHANT)) == (True, False)
    writer.bucket.refused_keys.clear()
    assert len(await run_eraser(writer)) == 1
    assert PAGE not in list_named(writer, OTHER)


async def test_an_erasure_is_reported_although_the_account_is_connected_and_named_again(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    await connect_again(writer)
    assert len(await run_eraser(writer)) == 1
    assert list_named(writer, OTHER) == [PAGE]


async def test_the_redaction_of_a_disconnected_account_deletes_what_the_disconnect_kept(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_page_connection(revision=2, epoch=2, state="uninstalled", merchant=OTHER))
    await writer.merchant_documents.put_or_delete_document(OTHER)
    await writer.build(PAGE)
    assert PAGE_KEY in writer.bucket.objects
    await writer.update_connection(make_redaction(revision=3, epoch=3))
    assert [erasure.object_keys for erasure in await run_eraser(writer)] == [(PAGE_KEY,)]
    assert (PAGE_KEY in writer.bucket.objects, list_named(writer, OTHER)) == (False, [])
    assert await count_remaining_rows(writer) == {}


@pytest.mark.parametrize("state", ["connected", "uninstalled"])
async def test_a_redaction_that_was_missed_is_made_up_for_by_a_later_state(writer: Writer, state: str) -> None:
    await store_page(writer)
    later = make_page_connection(revision=4, epoch=3, state=state, merchant=MERCHANT)
    await writer.update_connection(later.model_copy(update={"redacted_epoch": 2}))
    assert await writer.query_scalar(f"SELECT count(*) FROM records WHERE connection = '{PAGE}'") == 0
    assert await writer.query_scalar(f"SELECT fully_read FROM connections WHERE connection = '{PAGE}'") is False
    assert [erasure.object_keys for erasure in await run_eraser(writer)] == [(PAGE_KEY,)]
    assert (PAGE_KEY in writer.bucket.objects, list_named(writer, OTHER)) == (False, [])


async def test_a_redaction_that_was_not_missed_deletes_nothing_that_was_stored_since(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    await run_eraser(writer)
    await connect_again(writer)
    later = make_page_connection(revision=4, epoch=2, state="reauthorise", merchant=OTHER)
    await writer.update_connection(later.model_copy(update={"redacted_epoch": 2}))
    assert await writer.query_scalar(f"SELECT count(*) FROM records WHERE connection = '{PAGE}'") == 1
    assert await run_eraser(writer) == []


async def test_a_put_that_is_running_is_waited_for(writer: Writer) -> None:
    await store_page(writer)
    await writer.ingest(make_direct_read(make_page_record(read_at=95_000, name="Renamed")))
    writer.bucket.release_put = asyncio.Event()
    writer.bucket.put_started.clear()
    building = asyncio.create_task(writer.builder.build_and_upload_if_changed(PAGE))
    await writer.bucket.put_started.wait()
    await writer.update_connection(make_redaction())
    erasing = asyncio.create_task(writer.eraser.delete_object_if_due(PAGE))
    while not await writer.query_scalar("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        await asyncio.sleep(0)
    assert PAGE_KEY in writer.bucket.objects
    writer.bucket.release_put.set()
    await asyncio.gather(building, erasing)
    assert PAGE_KEY not in writer.bucket.objects
    assert await count_remaining_rows(writer) == {}


async def test_the_second_deletion_deletes_what_a_late_put_has_restored(writer: Writer) -> None:
    await store_page(writer)
    late, document = writer.bucket.objects[PAGE_KEY], writer.bucket.objects[build_merchant_key(OTHER)]
    await writer.update_connection(make_redaction())
    await run_eraser(writer)
    await writer.merchant_documents.put_or_delete_document(OTHER)
    writer.bucket.objects |= {PAGE_KEY: late, build_merchant_key(OTHER): document}
    assert await run_eraser(writer) == []
    assert PAGE_KEY in writer.bucket.objects
    await make_erasures_due(writer)
    await run_eraser(writer)
    await writer.merchant_documents.put_or_delete_document(OTHER)
    assert not {PAGE_KEY, build_merchant_key(OTHER)} & set(writer.bucket.objects)


async def test_a_redaction_delivered_twice_is_carried_out_once(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    await writer.update_connection(make_redaction())
    await writer.update_connection(make_redaction(revision=3))
    assert [erasure.object_keys for erasure in await run_eraser(writer)] == [(PAGE_KEY,)]
    await writer.update_connection(make_redaction(revision=4))
    assert await run_eraser(writer) == []


async def test_the_redaction_of_a_connection_that_the_writer_has_lost_deletes_its_object(writer: Writer) -> None:
    writer.bucket.objects[PAGE_KEY] = b"", {}
    await writer.update_connection(make_redaction())
    assert [erasure.object_keys for erasure in await run_eraser(writer)] == [(PAGE_KEY,)]
    assert PAGE_KEY not in writer.bucket.objects


async def test_two_writers_carry_out_an_erasure_once(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    await writer.merchant_documents.put_or_delete_document(OTHER)
    other = Writer(writer.database, writer.bucket)
    await asyncio.gather(writer.eraser.delete_object_if_due(PAGE), other.eraser.delete_object_if_due(PAGE))
    events: list[DataStored] = await writer.drain_outbox()
    assert len([event for event in events if event.erasure]) == 1
    assert await count_remaining_rows(writer) == {}


async def connect_again(writer: Writer) -> None:
    await writer.update_connection(make_page_connection(revision=3, epoch=2, merchant=OTHER))
    await writer.ingest_full_read(*make_full_read(make_page_record(read_at=200_000, name="Anew"), epoch=2))


async def test_a_connection_that_is_connected_again_starts_empty(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    await run_eraser(writer)
    await writer.update_connection(make_page_connection(revision=3, epoch=2, merchant=OTHER))
    assert await writer.build(PAGE) is None
    await connect_again(writer)
    upload = await writer.build(PAGE)
    assert upload is not None
    assert upload.outcome == "uploaded"
    assert b"Anew" in writer.bucket.objects[PAGE_KEY][0]


async def test_the_second_deletion_keeps_the_object_of_a_connection_that_was_connected_again(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    await run_eraser(writer)
    await connect_again(writer)
    await writer.build(PAGE)
    await make_erasures_due(writer)
    assert await run_eraser(writer) == []
    assert b"Anew" in writer.bucket.objects[PAGE_KEY][0]


async def test_an_object_overwritten_by_a_late_put_is_restored_after_the_second_deletion(writer: Writer) -> None:
    await store_page(writer)
    late = writer.bucket.objects[PAGE_KEY]
    await writer.update_connection(make_redaction())
    await run_eraser(writer)
    await connect_again(writer)
    await writer.build(PAGE)
    writer.bucket.objects[PAGE_KEY] = late
    await make_erasures_due(writer)
    await run_eraser(writer)
    upload = await writer.build(PAGE)
    assert upload is not None
    assert upload.outcome == "restored"
    assert b"Anew" in writer.bucket.objects[PAGE_KEY][0]


async def test_a_connection_connected_again_uploads_nothing_before_the_old_object_is_deleted(
    writer: Writer,
) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction(), make_page_connection(revision=3, epoch=2, merchant=OTHER))
    assert await count_remaining_rows(writer) == {"snapshots": 1}
    await connect_again(writer)
    assert await writer.build(PAGE) is None
    async with writer.database.transaction() as tx:
        assert PAGE not in await snapshots.list_due(tx, 0)
    assert [erasure.object_keys for erasure in await run_eraser(writer)] == [(PAGE_KEY,)]
    assert await writer.build(PAGE) is not None
    assert b"Anew" in writer.bucket.objects[PAGE_KEY][0]


async def test_a_second_redaction_before_the_second_deletion_is_carried_out_and_published(writer: Writer) -> None:
    await store_page(writer)
    await writer.update_connection(make_redaction())
    await run_eraser(writer)
    await connect_again(writer)
    await writer.build(PAGE)
    await writer.update_connection(make_redaction(revision=4, epoch=3))
    assert [erasure.object_keys for erasure in await run_eraser(writer)] == [(PAGE_KEY,)]
    assert PAGE_KEY not in writer.bucket.objects
