"""The metrics count dispositions, results and uploads after their commit."""

from uuid import uuid4

import pytest

from writer_builders import (
    LATE,
    SHOP,
    make_full_read_completed,
    make_page,
    make_product,
    make_range_completed,
    make_tombstone,
)
from writer_harness import Writer

pytestmark = pytest.mark.integration


def get_count(writer: Writer, name: str, **labels: str) -> float | None:
    return writer.registry.get_sample_value(f"merchant_sync_{name}_total", {"platform": "shopify", **labels})


async def test_records_are_counted_by_disposition(writer: Writer) -> None:
    await writer.ingest(make_page(make_product(1, read_at=5_000, updated_at=LATE), make_product(2, read_at=5_000)))
    await writer.ingest(make_page(make_product(1, read_at=9_000, title="Stale"), make_product(2, read_at=9_000)))
    await writer.ingest(make_page(make_tombstone(2, read_at=99_000)))
    dispositions = ("changed", "unchanged", "stale", "deleted")
    assert [get_count(writer, "records", outcome=disposition) for disposition in dispositions] == [2, 1, 1, 1]
    assert get_count(writer, "pages") == 3


async def test_snapshots_are_counted_by_outcome_and_bytes_when_they_are_put(writer: Writer) -> None:
    read_id = uuid4()
    await writer.ingest(
        make_page(make_product(1, read_at=10), read_id=read_id),
        make_range_completed(read_id, 1),
        make_full_read_completed(read_id, 5),
    )
    assert get_count(writer, "sync_results", outcome="success") == 1
    writer.bucket.is_unavailable = True
    await writer.build(SHOP)
    assert (get_count(writer, "uploads", outcome="failed"), get_count(writer, "upload_bytes")) == (1, 0)
    writer.bucket.is_unavailable = False
    await writer.execute("UPDATE snapshots SET not_before = 0")
    upload = await writer.build(SHOP)
    assert upload is not None
    assert (get_count(writer, "uploads", outcome="uploaded"), get_count(writer, "upload_bytes")) == (1, upload.bytes)


async def test_all_series_of_a_platform_exist_from_its_first_event(writer: Writer) -> None:
    await writer.ingest(make_page(make_product(1, read_at=10)))
    assert get_count(writer, "deletions_guarded") == 0
    assert get_count(writer, "uploads", outcome="failed") == 0
    assert get_count(writer, "records", outcome="stale") == 0
