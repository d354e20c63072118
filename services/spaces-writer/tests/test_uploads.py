"""What an upload proves about the syncs that wait for it, and when the next one may come."""

import asyncio
import time
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from contracts.events import SyncResult
from spaces_writer.pacing import UploadPace
from spaces_writer.use_cases.snapshot_builder import SnapshotBuilder
from writer_builders import (
    LATE,
    SHOP,
    make_connection,
    make_full_read_completed,
    make_incremental_read_completed,
    make_page,
    make_product,
    make_range_completed,
)
from writer_harness import Writer

pytestmark = pytest.mark.integration
KEY = "acme.myshopify.com/shopify_data.json"


async def complete_full_read(writer: Writer, *numbers: int, read_at: int = 1_000, epoch: int = 1) -> SyncResult:
    """Ingest a full read that lists the products with these numbers; return the result of its sync."""
    read_id = uuid4()
    records = [make_product(number, read_at=read_at) for number in numbers]
    events = await writer.ingest_full_read(
        *([make_page(*records, read_id=read_id, epoch=epoch)] if records else []),
        make_range_completed(read_id, len(numbers)).model_copy(update={"epoch": epoch}),
        make_full_read_completed(read_id, read_at - 10, epoch=epoch),
    )
    (result,) = [result for event in events for result in event.results]
    assert result.status == "success"
    return result


async def change_product(writer: Writer, number: int, *, read_at: int) -> SyncResult:
    """Ingest an incremental read of a product that has changed; return the result of its sync."""
    read_id = uuid4()
    events = await writer.ingest(
        make_page(make_product(number, read_at=read_at, updated_at=LATE, title=f"At {read_at}"), read_id=read_id),
        make_incremental_read_completed(read_id, number),
    )
    return events[-1].results[0]


async def test_the_upload_of_an_empty_shop_contains_its_full_sync(writer: Writer) -> None:
    result = await complete_full_read(writer)
    upload = await writer.build(SHOP)
    assert upload is not None
    assert (upload.outcome, upload.records) == ("uploaded", 0)
    assert upload.sequence >= result.sequence
    assert upload.object_check >= result.object_check > 0


async def test_an_unchanged_full_sync_is_contained_by_the_look_at_the_object_that_follows_it(writer: Writer) -> None:
    await complete_full_read(writer, 1)
    first = await writer.build(SHOP)
    result = await complete_full_read(writer, 1, read_at=9_000)
    second = await writer.build(SHOP)
    assert first is not None and second is not None
    assert (result.sequence, second.outcome) == (first.sequence, "unchanged")
    assert first.object_check < result.object_check <= second.object_check


async def test_an_object_deleted_from_the_bucket_is_uploaded_again_after_an_unchanged_full_sync(writer: Writer) -> None:
    await complete_full_read(writer, 1)
    await writer.build(SHOP)
    writer.bucket.objects.clear()
    result = await complete_full_read(writer, 1, read_at=9_000)
    upload = await writer.build(SHOP)
    assert upload is not None
    assert (upload.outcome, upload.object_check, KEY in writer.bucket.objects) == (
        "restored",
        result.object_check,
        True,
    )


async def test_an_upload_that_began_before_a_full_sync_was_stored_is_not_its_look_at_the_object(
    writer: Writer,
) -> None:
    await complete_full_read(writer, 1)
    await writer.build(SHOP)
    await change_product(writer, 1, read_at=5_000)
    writer.bucket.release_put, writer.bucket.put_started = asyncio.Event(), asyncio.Event()
    building = asyncio.create_task(writer.build(SHOP))
    await writer.bucket.put_started.wait()
    result = await complete_full_read(writer, 1, read_at=9_000)
    writer.bucket.release_put.set()
    upload = await building
    assert upload is not None
    assert (upload.sequence >= result.sequence, upload.object_check < result.object_check) == (True, True)
    after = await writer.build(SHOP)
    assert after is not None
    assert after.object_check == result.object_check


async def test_an_upload_says_when_the_pace_allows_the_next_one(writer: Writer) -> None:
    await complete_full_read(writer, 1)
    first = await writer.build(SHOP)
    assert first is not None and first.not_before <= time.time() * 1000
    await writer.execute("UPDATE snapshots SET tokens = 0, build_seconds = 60, refilled_at = extract(epoch FROM now())")
    await change_product(writer, 1, read_at=5_000)
    upload = await writer.build(SHOP)
    columns = ("tokens", "refilled_at", "build_seconds")
    pace = UploadPace(*[await writer.query_scalar(f"SELECT {column} FROM snapshots") for column in columns])
    wait = pace.compute_wait(pace.refilled_at)
    assert upload is not None
    assert (wait > 0, upload.not_before) == (True, round((pace.refilled_at + wait) * 1000))


async def test_a_failed_upload_says_when_it_is_tried_again(writer: Writer) -> None:
    await complete_full_read(writer, 1)
    writer.bucket.is_unavailable = True
    pauses = []
    for _ in range(3):
        upload = await writer.build(SHOP)
        assert upload is not None and upload.outcome == "failed"
        pauses.append(upload.not_before / 1000 - time.time())
        assert await writer.query_scalar("SELECT not_before FROM snapshots") * 1000 == upload.not_before
    assert 0 < pauses[0] < pauses[1] < pauses[2]


async def test_what_was_stored_before_a_disconnect_is_still_uploaded(writer: Writer) -> None:
    await complete_full_read(writer, 1)
    result = await change_product(writer, 1, read_at=5_000)
    await writer.update_connection(make_connection(revision=2, epoch=2, state="uninstalled"))
    upload = await writer.build(SHOP)
    assert upload is not None
    assert upload.sequence >= result.sequence
    assert b"At 5000" in writer.bucket.objects[KEY][0]


async def test_a_connection_that_is_connected_again_uploads_nothing_before_its_first_full_sync(writer: Writer) -> None:
    await complete_full_read(writer, 1)
    await writer.build(SHOP)
    await writer.update_connection(make_connection(revision=2, epoch=2, state="uninstalled"))
    await writer.update_connection(make_connection(revision=3, epoch=2))
    assert await writer.build(SHOP) is None
    await complete_full_read(writer, 1, read_at=9_000, epoch=2)
    upload = await writer.build(SHOP)
    assert upload is not None and upload.outcome == "unchanged"


async def test_signing_in_again_without_a_disconnect_keeps_what_was_read(writer: Writer) -> None:
    await complete_full_read(writer, 1)
    await writer.update_connection(make_connection(revision=2, state="reauthorise"))
    await writer.update_connection(make_connection(revision=3))
    assert await writer.build(SHOP) is not None


async def get_failures(writer: Writer) -> tuple[int, bool]:
    """Return how many builds in a row have failed, and whether the next one has to wait."""
    condition = "not_before > extract(epoch FROM now())"
    return await writer.query_scalar("SELECT failures FROM snapshots"), await writer.query_scalar(
        f"SELECT {condition} FROM snapshots"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("title", ["short: seen when the file is read", "long " * 100_000])
async def test_a_full_disk_is_a_failed_upload_that_is_tried_again(writer: Writer, title: str) -> None:
    await complete_full_read(writer, 1)
    await writer.ingest(make_page(make_product(1, read_at=5_000, updated_at=LATE, title=title)))
    full = SnapshotBuilder(
        writer.database, writer.bucket, on_upload=lambda *_: None, open_file=partial(Path("/dev/full").open, "w+b")
    )
    upload = await full.build_and_upload_if_changed(SHOP)
    assert upload is not None
    assert (upload.outcome, upload.reason) == ("failed", "the spaces-writer's disk: No space left on device")
    assert [event.upload for event in await writer.drain_outbox() if event.upload] == [upload]
    assert await get_failures(writer) == (1, True)
    again = await writer.build(SHOP)
    assert again is not None and again.outcome == "uploaded"


async def test_no_folder_for_temporary_files_is_a_failed_upload(writer: Writer) -> None:
    await complete_full_read(writer, 1)
    missing = Path("/no such folder") / "file"
    builder = SnapshotBuilder(
        writer.database, writer.bucket, on_upload=lambda *_: None, open_file=partial(missing.open, "w+b")
    )
    upload = await builder.build_and_upload_if_changed(SHOP)
    assert upload is not None
    assert (upload.outcome, upload.reason) == ("failed", "the spaces-writer's disk: No such file or directory")


async def test_a_document_that_cannot_be_built_is_a_failed_upload_that_does_not_show_its_data(writer: Writer) -> None:
    await complete_full_read(writer, 1)
    await writer.execute("UPDATE bodies SET body = 'Secret'")
    upload = await writer.build(SHOP)
    assert upload is not None
    assert (upload.outcome, await get_failures(writer)) == ("failed", (1, True))
    assert upload.reason is not None
    assert upload.reason.startswith("the document could not be built: JSONDecodeError")
    assert "Secret" not in upload.reason
