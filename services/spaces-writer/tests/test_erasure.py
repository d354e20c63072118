"""Redaction: what is to go goes from database and bucket, is said, and nothing brings it back."""

import asyncio
from uuid import UUID

import orjson
import pytest

from contracts.events import DataStored, Erasure
from messaging.errors import UnknownConnectionError
from spaces_writer.client import BucketAway
from spaces_writer.eraser import Eraser
from spaces_writer.merchants import object_key
from spaces_writer.store import snapshots
from writer_builders import (
    MERCHANT,
    PAGE,
    PAGE_KEY,
    SHOP,
    connected_page,
    facebook_page,
    read_directly,
    redacted,
    whole_walk,
)
from writer_stand import MemoryBucket, Writer

pytestmark = pytest.mark.integration
TABLES = ("records", "bodies", "parts", "listings", "windows", "walks", "verdicts", "snapshots")
OTHER = UUID("00000000-0000-0000-0000-00000000000b")


class KilledBucket(MemoryBucket):
    """A bucket under which the process dies once it has deleted."""

    def __init__(self, bucket: MemoryBucket) -> None:
        super().__init__()
        self.objects = bucket.objects

    async def delete(self, key: str) -> None:
        await super().delete(key)
        raise asyncio.CancelledError


async def page_stored(writer: Writer, *, merchant: UUID = OTHER) -> None:
    """A page whose object and whose merchant's document are in the bucket."""
    await writer.hear(connected_page(merchant=merchant))
    await writer.walk(*whole_walk(facebook_page(read_at=1_000)))
    await writer.take(read_directly(facebook_page(read_at=90_000)))
    await writer.compose(PAGE)
    await writer.composer.put_merchant(merchant)
    assert {PAGE_KEY, object_key(merchant)} <= set(writer.bucket.objects)


async def left(writer: Writer) -> dict[str, int]:
    """Rows of the page in the tables that hold data of a connection."""
    counts = {t: await writer.scalar(f"SELECT count(*) FROM {t} WHERE connection = '{PAGE}'") for t in TABLES}
    return {table: count for table, count in counts.items() if count}


async def erased(writer: Writer) -> list[Erasure]:
    """What the eraser says in a step."""
    await writer.eraser.step()
    return [event.erasure for event in await writer.said() if event.erasure]


async def made_due(writer: Writer) -> None:
    await writer.run("UPDATE erasures SET due_at = now()")


async def test_a_redaction_leaves_name_and_epoch_alone(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    (said,) = await erased(writer)
    assert said.object_keys == (PAGE_KEY,)
    assert await left(writer) == {}
    assert PAGE_KEY not in writer.bucket.objects
    row = f"SELECT (merchant, object_key, last_source, complete) FROM connections WHERE connection = '{PAGE}'"
    assert await writer.scalar(row) == (None, None, None, False)
    await made_due(writer)
    assert await erased(writer) == []
    assert await writer.scalar("SELECT count(*) FROM erasures") == 0
    assert await left(writer) == {}


async def test_what_another_connection_stored_stays(writer: Writer) -> None:
    await page_stored(writer)
    await writer.run(f"UPDATE records SET connection = '{SHOP}'")
    await writer.hear(redacted())
    await erased(writer)
    assert await writer.scalar("SELECT count(*) FROM records") == 1


async def test_a_merchant_without_a_connection_has_no_document(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    await writer.composer.put_merchant(OTHER)
    assert object_key(OTHER) not in writer.bucket.objects
    assert await writer.scalar(f"SELECT count(*) FROM merchants WHERE merchant = '{OTHER}'") == 0


async def test_a_merchants_document_names_the_connections_that_are_left(writer: Writer) -> None:
    await page_stored(writer, merchant=MERCHANT)
    await writer.hear(redacted())
    await writer.composer.put_merchant(MERCHANT)
    listed = orjson.loads(writer.bucket.objects[object_key(MERCHANT)][0])["connections"]
    assert [entry["connection"] for entry in listed] == [SHOP]


async def test_pages_in_flight_bring_nothing_back(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    said = await writer.walk(*whole_walk(facebook_page(read_at=99_000)))
    said += await writer.take(read_directly(facebook_page(read_at=99_000)))
    assert [v.status for event in said for v in event.results] == ["cancelled"] * 4
    await erased(writer)
    assert await left(writer) == {}
    assert await writer.compose(PAGE) is None


async def test_pages_of_a_grant_that_came_after_the_redaction_are_held_until_it_is_heard_of(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    await erased(writer)
    for epoch in (2, 3):
        with pytest.raises(UnknownConnectionError):
            await writer.take(read_directly(facebook_page(read_at=99_000), epoch=epoch))
    assert await left(writer) == {}
    await writer.hear(connected_page(revision=3, epoch=2))
    await writer.take(read_directly(facebook_page(read_at=99_000), epoch=2))
    assert await writer.scalar("SELECT count(*) FROM bodies") == 1


async def test_killed_between_the_deletion_and_its_word_it_deletes_again_and_says_it_once(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    killed = Eraser(writer.database, KilledBucket(writer.bucket), said=lambda: None)
    with pytest.raises(asyncio.CancelledError):
        await killed.carry_out(PAGE)
    assert PAGE_KEY not in writer.bucket.objects
    assert await writer.said() == []
    assert len(await erased(writer)) == 1
    assert await erased(writer) == []


async def test_a_bucket_that_is_away_is_tried_again_and_nothing_is_said_meanwhile(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    writer.bucket.away = True
    with pytest.raises(BucketAway):
        await writer.eraser.step()
    assert await writer.composer.put_merchant(OTHER) is False
    assert await writer.said() == []
    writer.bucket.away = False
    assert [said.object_keys for said in await erased(writer)] == [(PAGE_KEY,)]
    assert await writer.composer.put_merchant(OTHER)
    assert object_key(OTHER) not in writer.bucket.objects


async def test_a_put_that_is_running_is_waited_for(writer: Writer) -> None:
    await page_stored(writer)
    await writer.take(read_directly(facebook_page(read_at=95_000, name="Renamed")))
    writer.bucket.slow = asyncio.Event()
    writer.bucket.putting.clear()
    composing = asyncio.create_task(writer.composer.compose(PAGE))
    await writer.bucket.putting.wait()
    await writer.hear(redacted())
    erasing = asyncio.create_task(writer.eraser.carry_out(PAGE))
    while not await writer.scalar("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        await asyncio.sleep(0)
    assert PAGE_KEY in writer.bucket.objects
    writer.bucket.slow.set()
    await asyncio.gather(composing, erasing)
    assert PAGE_KEY not in writer.bucket.objects
    assert await left(writer) == {}


async def test_the_second_look_takes_out_what_a_late_put_has_brought_back(writer: Writer) -> None:
    await page_stored(writer)
    late, document = writer.bucket.objects[PAGE_KEY], writer.bucket.objects[object_key(OTHER)]
    await writer.hear(redacted())
    await erased(writer)
    await writer.composer.put_merchant(OTHER)
    writer.bucket.objects |= {PAGE_KEY: late, object_key(OTHER): document}
    assert await erased(writer) == []
    assert PAGE_KEY in writer.bucket.objects
    await made_due(writer)
    await erased(writer)
    await writer.composer.put_merchant(OTHER)
    assert not {PAGE_KEY, object_key(OTHER)} & set(writer.bucket.objects)


async def test_a_redaction_said_twice_is_carried_out_once(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    await writer.hear(redacted())
    await writer.hear(redacted(revision=3))
    assert [said.object_keys for said in await erased(writer)] == [(PAGE_KEY,)]
    await writer.hear(redacted(revision=4))
    assert await erased(writer) == []


async def test_a_redaction_of_what_was_never_known_is_said_to_be_carried_out(writer: Writer) -> None:
    await writer.hear(redacted())
    assert [said.object_keys for said in await erased(writer)] == [()]


async def test_two_writers_carry_out_an_erasure_once(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    other = Writer(writer.database, writer.bucket)
    await asyncio.gather(writer.eraser.carry_out(PAGE), other.eraser.carry_out(PAGE))
    said: list[DataStored] = await writer.said()
    assert len([event for event in said if event.erasure]) == 1
    assert await left(writer) == {}


async def connected_anew(writer: Writer) -> None:
    await writer.hear(connected_page(revision=3, epoch=2, merchant=OTHER))
    await writer.walk(*whole_walk(facebook_page(read_at=200_000, name="Anew"), epoch=2))


async def test_a_connection_made_anew_starts_clean(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    await erased(writer)
    await writer.hear(connected_page(revision=3, epoch=2, merchant=OTHER))
    assert await writer.compose(PAGE) is None
    await connected_anew(writer)
    upload = await writer.compose(PAGE)
    assert upload is not None
    assert upload.outcome == "uploaded"
    assert b"Anew" in writer.bucket.objects[PAGE_KEY][0]


async def test_the_second_look_leaves_the_object_of_a_connection_made_anew(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    await erased(writer)
    await connected_anew(writer)
    await writer.compose(PAGE)
    await made_due(writer)
    assert await erased(writer) == []
    assert b"Anew" in writer.bucket.objects[PAGE_KEY][0]


async def test_what_a_late_put_did_to_a_connection_made_anew_is_mended_after_the_second_look(writer: Writer) -> None:
    await page_stored(writer)
    late = writer.bucket.objects[PAGE_KEY]
    await writer.hear(redacted())
    await erased(writer)
    await connected_anew(writer)
    await writer.compose(PAGE)
    writer.bucket.objects[PAGE_KEY] = late
    await made_due(writer)
    await erased(writer)
    upload = await writer.compose(PAGE)
    assert upload is not None
    assert upload.outcome == "restored"
    assert b"Anew" in writer.bucket.objects[PAGE_KEY][0]


async def test_nothing_is_put_for_a_connection_made_anew_before_the_old_object_is_out(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted(), connected_page(revision=3, epoch=2, merchant=OTHER))
    assert await left(writer) == {"snapshots": 1}
    await connected_anew(writer)
    assert await writer.compose(PAGE) is None
    async with writer.database.transaction() as tx:
        assert PAGE not in await snapshots.due(tx, 0)
    assert [said.object_keys for said in await erased(writer)] == [(PAGE_KEY,)]
    assert await writer.compose(PAGE) is not None
    assert b"Anew" in writer.bucket.objects[PAGE_KEY][0]


async def test_a_second_redaction_before_the_second_look_is_carried_out_and_said(writer: Writer) -> None:
    await page_stored(writer)
    await writer.hear(redacted())
    await erased(writer)
    await connected_anew(writer)
    await writer.compose(PAGE)
    await writer.hear(redacted(revision=4, epoch=3))
    assert [said.object_keys for said in await erased(writer)] == [(PAGE_KEY,)]
    assert PAGE_KEY not in writer.bucket.objects
