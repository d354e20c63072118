"""Records are found by the values of their lookup fields, however these come to be stored, change or go."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from contracts.events import Record, RecordChunk
from contracts.lookup_keys import build_lookup_key
from database.migrations import load_scripts, lock_and_apply_migrations
from merchant_sync.stack import Stack
from writer_builders import (
    LATE,
    SHOP,
    make_full_read,
    make_gid,
    make_page,
    make_product,
    make_redaction,
    make_tombstone,
)
from writer_harness import Writer

pytestmark = pytest.mark.integration


def make_found(number: int, *skus: str, read_at: int = 1_000, **more: Any) -> Record:
    """A product that is found by these SKUs."""
    return make_product(number, read_at=read_at, **{"lookup_values": {"sku": skus}, **more})


async def find(writer: Writer, field: str, value: str, *, resource: str = "products") -> list[str]:
    """The ids of the records that readers find by this value."""
    key = build_lookup_key(resource, field, value)
    found = await writer.query_scalar(f"SELECT array_agg(id ORDER BY id) FROM lookups WHERE key = '{key}'")
    return list(found or ())


async def count_lookups(writer: Writer) -> int:
    return int(await writer.query_scalar("SELECT count(*) FROM lookups"))


async def test_a_record_is_found_by_each_of_its_values(writer: Writer) -> None:
    await writer.ingest(make_page(make_found(1, "S", "M", "S"), make_found(2, "M")))
    assert await find(writer, "sku", "M") == [make_gid(1), make_gid(2)]
    assert await find(writer, "sku", "S") == [make_gid(1)]
    assert await find(writer, "handle", "mug") == [make_gid(1), make_gid(2)]
    assert (await find(writer, "sku", "m"), await find(writer, "handle", "M")) == ([], [])
    assert await find(writer, "sku", "M", resource="orders") == []


async def test_a_field_without_a_value_finds_nothing_and_any_text_is_a_value(writer: Writer) -> None:
    odd = {"lookup_fields": {"title": None, "handle": "a\0b"}, "lookup_values": {"vendor": ("", "Ü" * 5_000)}}
    await writer.ingest(make_page(make_product(1, read_at=1_000).model_copy(update=odd)))
    assert await find(writer, "vendor", "") == await find(writer, "vendor", "Ü" * 5_000) == [make_gid(1)]
    assert await find(writer, "handle", "a\0b") == [make_gid(1)]
    assert await count_lookups(writer) == 3


async def test_a_changed_record_is_not_found_by_its_old_values(writer: Writer) -> None:
    await writer.ingest(make_page(make_found(1, "S", "M")))
    await writer.ingest(make_page(make_found(1, "M", "L", read_at=9_000, updated_at=LATE, title="Cup")))
    found = [await find(writer, "sku", sku) for sku in ("S", "M", "L")]
    assert found == [[], [make_gid(1)], [make_gid(1)]]
    assert await find(writer, "title", "Mug") == []


async def test_a_record_that_is_gone_is_not_found_and_neither_are_its_children(writer: Writer) -> None:
    child = Record(
        resource="inventory",
        id="i",
        read_at=1_000,
        body={},
        parent=make_gid(1),
        lookup_values={"sku": ("S",)},
    )
    await writer.ingest(make_page(make_found(1, "S"), child))
    assert await find(writer, "sku", "S", resource="inventory") == ["i"]
    await writer.ingest(make_page(make_tombstone(1, read_at=90_000)))
    assert await count_lookups(writer) == 0


async def test_a_redaction_leaves_nothing_to_be_found(writer: Writer) -> None:
    await writer.ingest(make_page(make_found(1, "S")))
    await writer.update_connection(make_redaction(SHOP))
    assert await count_lookups(writer) == 0


async def test_the_values_of_all_chunks_are_of_the_whole_record(writer: Writer) -> None:
    first = make_found(1, "S", chunk=RecordChunk(reading_id="r", cursor=None, next_cursor="a"))
    further = [
        Record(
            resource="products",
            id=make_gid(1),
            read_at=1_000,
            lookup_values={"sku": (sku,)},
            chunk=RecordChunk(reading_id="r", cursor=cursor, next_cursor=after, path=("variants", "edges")),
        )
        for sku, cursor, after in (("M", "a", "b"), ("L", "b", None))
    ]
    await writer.ingest(make_page(first, further[0]))
    assert await count_lookups(writer) == 0
    await writer.ingest(make_page(further[1]))
    assert [await find(writer, "sku", sku) for sku in ("S", "M", "L")] == [[make_gid(1)]] * 3


async def test_a_full_read_brings_new_fields_of_stored_records_without_a_change(writer: Writer) -> None:
    """As after an upgrade whose fetcher knows more lookup fields."""
    await writer.ingest_full_read(*make_full_read(make_product(1, read_at=1_000), connection=SHOP))
    await writer.build(SHOP)
    stored = "SELECT (sequence, CAST(bodies.xmin AS text)) FROM bodies, connections"
    before = await writer.query_scalar(stored)
    (event,) = await writer.ingest_full_read(*make_full_read(make_found(1, "S", read_at=90_000), connection=SHOP))
    (totals,) = [result.totals for result in event.results if result.totals]
    assert (totals.changed, totals.unchanged) == (0, 1)
    assert await find(writer, "sku", "S") == [make_gid(1)]
    assert await writer.query_scalar(stored) == before
    upload = await writer.build(SHOP)
    assert upload is not None and (upload.outcome, writer.bucket.puts) == ("unchanged", 1)


async def test_the_many_values_of_an_unchanged_record_are_not_written_again(writer: Writer) -> None:
    skus = [f"SKU-{number}" for number in range(2_000)]
    size = "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = CAST('records' AS regclass)"
    await writer.ingest(make_page(make_found(1, *skus)))
    before = await writer.query_scalar(size)
    for minute in range(1, 10):
        await writer.ingest(make_page(make_found(1, *reversed(skus), read_at=minute * 60_000)))
    assert await writer.query_scalar(size) == before > 0
    assert await find(writer, "sku", "SKU-1999") == [make_gid(1)]


async def test_a_stale_reading_changes_no_values(writer: Writer) -> None:
    await writer.ingest(make_page(make_found(1, "S", read_at=90_000, updated_at=LATE)))
    await writer.ingest(make_page(make_found(1, "M", read_at=1_000, title="Cup")))
    assert (await find(writer, "sku", "S"), await find(writer, "sku", "M")) == ([make_gid(1)], [])


class OlderSchema:
    """A schema as the release before the lookups left it, in a session of its own."""

    def __init__(self, db: "asyncpg.Connection[asyncpg.Record]", schema: str) -> None:
        self.db = db
        self.schema = schema

    async def upgrade(self) -> None:
        await lock_and_apply_migrations(self.db, self.schema, load_scripts("spaces_writer"))

    async def insert(self, first: int, count: int, columns: str = "", values: str = "") -> None:
        """Insert records with the ids `first`, `first + 1`, …, and with these values in further columns."""
        await self.db.execute(
            f"INSERT INTO records (connection, resource, id, read_at, sort_key{columns}) "
            f"SELECT 'p:a', 'products', n::text, 1, n{values} FROM generate_series({first}, {first + count - 1}) AS n"
        )

    async def find(self, field: str, value: str) -> Sequence[str]:
        key = build_lookup_key("products", field, value)
        return [row["id"] for row in await self.db.fetch("SELECT id FROM lookups WHERE key = $1 ORDER BY id", key)]


@pytest.fixture
async def older(postgres: Stack) -> Any:
    schema = f"older_{uuid4().hex[:8]}"
    db = await asyncpg.connect(postgres.build_admin_database_url(), server_settings={"search_path": schema})
    earlier = [script for script in load_scripts("spaces_writer") if script.name < "0010"]
    await lock_and_apply_migrations(db, schema, earlier)
    yield OlderSchema(db, schema)
    await db.execute(f'DROP SCHEMA "{schema}", "{schema}_published" CASCADE')
    await db.close()


async def test_an_upgrade_keeps_what_records_are_found_by(older: OlderSchema) -> None:
    fields = """{"title":"Öl \\"A\\"","handle":null}"""
    await older.insert(1, 1, ", lookup_fields", f", '{fields}'")
    await older.insert(2, 1, ", lookup_fields", """, '{"title":"a\\u0000b"}'""")
    await older.upgrade()
    assert await older.find("title", 'Öl "A"') == ["1"]
    assert await older.db.fetchval("SELECT count(*) FROM lookups") == 1


async def test_a_change_reads_the_lookups_of_its_record_only(older: OlderSchema) -> None:
    """Also in a session that has planned its statements while there were few."""
    await older.upgrade()
    change = "UPDATE records SET lookup_keys = ARRAY[md5(id || $2)::uuid, md5('x' || id)::uuid] WHERE id = $1"
    await older.insert(1, 10)
    for number in range(1, 11):
        await older.db.execute(change, str(number), "a")
    # It is known now that the whole table is the quickest to read.
    await older.db.execute("ANALYZE lookups")
    for number in range(1, 11):
        await older.db.execute(change, str(number), "b")
    await older.insert(11, 5_000, ", lookup_keys", ", ARRAY[md5(n || 'a')::uuid, md5('x' || n)::uuid]")

    async def count_reads() -> int:
        await older.db.execute("SELECT pg_stat_force_next_flush()")
        statistics = (
            "SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit FROM pg_statio_user_tables "
            "WHERE schemaname = $1 AND relname = 'lookups'"
        )
        return int(await older.db.fetchval(statistics, older.schema))

    before = await count_reads()
    await older.db.execute(change, "2000", "c")
    assert await count_reads() - before < 20
    assert await older.db.fetchval("SELECT count(*) FROM lookups WHERE id = '2000'") == 2
