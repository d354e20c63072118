"""What the writer counts: what became of records and snapshots, once it is committed."""

from uuid import uuid4

import pytest

from writer_builders import LATE, SHOP, gone, page, product, walk_end, window_end
from writer_stand import Writer

pytestmark = pytest.mark.integration


def counted(writer: Writer, name: str, **labels: str) -> float | None:
    return writer.registry.get_sample_value(f"merchant_sync_{name}_total", {"platform": "shopify", **labels})


async def test_records_are_counted_by_what_became_of_them(writer: Writer) -> None:
    await writer.take(page(product(1, read_at=5_000, updated_at=LATE), product(2, read_at=5_000)))
    await writer.take(page(product(1, read_at=9_000, title="Stale"), product(2, read_at=9_000)))
    await writer.take(page(gone(2, read_at=99_000)))
    outcomes = ("changed", "unchanged", "stale", "removed")
    assert [counted(writer, "records", outcome=outcome) for outcome in outcomes] == [2, 1, 1, 1]
    assert counted(writer, "pages") == 3


async def test_snapshots_are_counted_by_what_became_of_them_and_bytes_when_they_are_put(writer: Writer) -> None:
    source = uuid4()
    await writer.take(page(product(1, read_at=10), source=source), window_end(source, 1), walk_end(source, 5))
    assert counted(writer, "verdicts", outcome="success") == 1
    writer.bucket.away = True
    await writer.compose(SHOP)
    assert (counted(writer, "uploads", outcome="failed"), counted(writer, "upload_bytes")) == (1, 0)
    writer.bucket.away = False
    await writer.run("UPDATE snapshots SET not_before = 0")
    upload = await writer.compose(SHOP)
    assert upload is not None
    assert (counted(writer, "uploads", outcome="uploaded"), counted(writer, "upload_bytes")) == (1, upload.bytes)


async def test_all_of_a_platforms_series_are_there_when_it_is_first_met(writer: Writer) -> None:
    await writer.take(page(product(1, read_at=10)))
    assert counted(writer, "removals_braked") == 0
    assert counted(writer, "uploads", outcome="failed") == 0
    assert counted(writer, "records", outcome="stale") == 0
