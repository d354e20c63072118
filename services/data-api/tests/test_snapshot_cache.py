"""The cache of snapshots in front of a real object store: taken once for each upload, and shown while it is away."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api_builders import ACME, make_connection, make_state, make_syncs
from bucket_fixture import CountedBucket, make_upload, open_counted_bucket
from data_api.snapshot_versions import NotReadYetError, SnapshotVersion, build_version
from data_api.store.snapshot_files import CachedSnapshot, SnapshotFiles
from data_api.tables.state import KnownState
from data_api.use_cases.snapshot_cache import SnapshotCache
from merchant_sync.stack import Stack
from messaging.errors import UnavailableError

pytestmark = pytest.mark.integration
FIRST, SECOND = b'{"data":[{"id":1}]}', b'{"data":[{"id":2}]}'
CONNECTION = make_connection()
KEY = CONNECTION.object_key or ""


class Cache:
    """A cache with an own folder, and what the database says of the bucket."""

    def __init__(self, bucket: CountedBucket, folder: Path, state: KnownState | None = None) -> None:
        self.bucket, self.folder = bucket, folder
        self.state = state or make_state()
        self.files = SnapshotFiles(folder, 10**9)
        self.files.load()
        self.in_database: SnapshotVersion | None = None
        self.is_database_away = False
        self.questions = 0
        self.cache = SnapshotCache(self.state, self.files, bucket, self.load_version)

    async def load_version(self, connection: str) -> SnapshotVersion | None:
        self.questions += 1
        if self.is_database_away:
            raise UnavailableError("Postgres: away")
        return self.in_database

    async def upload(self, document: bytes, sequence: int = 1) -> None:
        await self.bucket.put(KEY, document)
        self.state.apply_stored(make_upload(ACME, KEY, document, sequence))

    async def load(self) -> tuple[CachedSnapshot, bytes]:
        snapshot = await self.cache.load(CONNECTION)
        with snapshot.open() as file:
            return snapshot, file.read()

    async def read(self) -> bytes:
        return (await self.load())[1]


@pytest.fixture
async def cache(stored_objects: Stack, tmp_path: Path) -> AsyncIterator[Cache]:
    async with open_counted_bucket(stored_objects) as bucket:
        yield Cache(bucket, tmp_path)


async def test_a_snapshot_is_taken_from_the_bucket_once_however_many_ask(cache: Cache) -> None:
    await cache.upload(FIRST)
    assert await asyncio.gather(*(cache.read() for _ in range(100))) == [FIRST] * 100
    await cache.upload(SECOND, 2)
    assert await asyncio.gather(*(cache.read() for _ in range(100))) == [SECOND] * 100
    assert cache.bucket.reads == 2


async def test_an_encoding_is_made_once_however_many_ask(cache: Cache) -> None:
    await cache.upload(FIRST)
    snapshot, _ = await cache.load()
    await asyncio.gather(*(cache.cache.ensure_encoding(snapshot, "gzip") for _ in range(100)))
    made = snapshot.get_path("gzip").stat().st_ino
    await cache.cache.ensure_encoding(snapshot, "gzip")
    assert snapshot.get_path("gzip").stat().st_ino == made


async def test_what_was_uploaded_before_the_process_started_is_asked_of_the_database_once(cache: Cache) -> None:
    await cache.bucket.put(KEY, FIRST)
    upload = make_upload(ACME, KEY, FIRST).upload
    assert upload is not None
    cache.in_database = build_version(ACME, 1, upload)
    assert [await cache.read() for _ in range(3)] == [FIRST] * 3
    assert (cache.questions, cache.bucket.reads) == (1, 1)


async def test_an_upload_with_the_same_content_is_not_taken_again(cache: Cache) -> None:
    await cache.upload(FIRST)
    await cache.read()
    cache.state.apply_stored(make_upload(ACME, KEY, FIRST, 7, outcome="unchanged", stored_at=9))
    snapshot, _ = await cache.load()
    assert (cache.bucket.reads, snapshot.version.sequence, snapshot.version.uploaded_at) == (1, 7, 9)
    restarted = Cache(cache.bucket, cache.folder).files.get(ACME)
    assert restarted is not None and restarted.version.sequence == 7


async def test_an_earlier_snapshot_is_shown_while_the_bucket_is_away(cache: Cache) -> None:
    await cache.upload(FIRST)
    await cache.read()
    await cache.upload(SECOND, 2)
    cache.bucket.is_away = True
    snapshot, content = await cache.load()
    assert (content, cache.cache.is_latest(snapshot, CONNECTION)) == (FIRST, False)
    cache.bucket.is_away = False
    snapshot, content = await cache.load()
    assert (content, cache.cache.is_latest(snapshot, CONNECTION)) == (SECOND, True)


async def test_a_process_that_starts_without_bucket_and_database_shows_what_is_on_the_disk(cache: Cache) -> None:
    await cache.upload(FIRST)
    await cache.read()
    restarted = Cache(cache.bucket, cache.folder)
    restarted.is_database_away = cache.bucket.is_away = True
    assert await restarted.read() == FIRST
    empty = Cache(cache.bucket, cache.folder / "empty")
    empty.is_database_away = True
    with pytest.raises(UnavailableError):
        await empty.load()


async def test_a_document_that_was_replaced_while_it_was_asked_for_is_the_one_of_the_next_upload(cache: Cache) -> None:
    await cache.upload(FIRST)
    await cache.bucket.put(KEY, SECOND)
    loading = asyncio.create_task(cache.load())
    async with asyncio.timeout(20):
        while cache.bucket.reads < 1:
            await asyncio.sleep(0.01)
    cache.state.apply_stored(make_upload(ACME, KEY, SECOND, 2))
    snapshot, content = await loading
    assert (content, snapshot.version.sequence) == (SECOND, 2)


async def test_an_object_with_another_content_than_was_uploaded_is_never_shown(cache: Cache) -> None:
    await cache.upload(FIRST)
    await cache.bucket.put(KEY, b'{"data":"forged"}')
    with pytest.raises(UnavailableError):
        await cache.load()


async def test_nothing_is_shown_before_the_first_full_sync_has_succeeded(cache: Cache) -> None:
    syncs = make_syncs(fully_read=False)
    cache.state.apply_syncs(syncs, syncs.model_dump_json().encode())
    with pytest.raises(NotReadYetError):
        await cache.load()
    assert cache.questions == 0
    syncs = make_syncs(revision=2)
    cache.state.apply_syncs(syncs, syncs.model_dump_json().encode())
    with pytest.raises(NotReadYetError):
        await cache.load()
    await cache.upload(FIRST)
    assert await cache.read() == FIRST


async def test_erased_data_is_gone_from_the_disk_at_once(cache: Cache) -> None:
    await cache.upload(FIRST)
    snapshot, _ = await cache.load()
    cache.cache.apply_connection(make_connection(revision=2, epoch=2, state="uninstalled"))
    assert snapshot.folder.exists()
    cache.cache.apply_connection(make_connection(revision=3, epoch=3, state="redacted", redacted_epoch=3))
    assert not snapshot.folder.exists()


async def test_small_documents_are_read_once_and_forgotten_when_they_are_erased(cache: Cache) -> None:
    await cache.upload(FIRST)
    snapshot, _ = await cache.load()
    assert cache.cache.read(snapshot) == FIRST
    snapshot.get_path("identity").unlink()
    assert cache.cache.read(snapshot) == FIRST
    cache.cache.apply_connection(make_connection(revision=2, epoch=2, state="redacted", redacted_epoch=2))
    with pytest.raises(UnavailableError):
        cache.cache.read(snapshot)


async def test_data_that_is_erased_during_its_download_does_not_come_back(cache: Cache) -> None:
    await cache.upload(FIRST)
    cache.bucket.release = asyncio.Event()
    loading = asyncio.create_task(cache.load())
    await asyncio.wait_for(cache.bucket.reading.wait(), 20)
    erased = make_connection(revision=2, epoch=2, state="redacted", redacted_epoch=2)
    cache.state.apply_connection(erased)
    cache.cache.apply_connection(erased)
    cache.bucket.release.set()
    with pytest.raises(UnavailableError):
        await loading
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == []


async def test_what_was_erased_while_the_process_was_down_is_deleted_at_its_start(cache: Cache) -> None:
    await cache.upload(FIRST)
    await cache.read()
    # The redaction itself was compacted away: the account is connected again.
    returned = make_connection(revision=5, epoch=4, redacted_epoch=3)
    restarted = Cache(cache.bucket, cache.folder, make_state(returned))
    restarted.cache.apply_connection(returned)
    assert restarted.files.get(ACME) is None


async def test_what_is_on_the_disk_of_an_unknown_connection_is_deleted_at_the_start(cache: Cache) -> None:
    await cache.upload(FIRST)
    await cache.read()
    restarted = Cache(cache.bucket, cache.folder, make_state(make_connection("page-platform:1")))
    restarted.cache.drop_unknown()
    assert restarted.files.get(ACME) is None


async def test_a_snapshot_whose_file_somebody_has_deleted_is_taken_again(cache: Cache) -> None:
    await cache.upload(FIRST)
    snapshot, _ = await cache.load()
    shutil.rmtree(snapshot.folder)
    with pytest.raises(UnavailableError):
        cache.cache.open(snapshot)
    assert await cache.read() == FIRST
    shutil.rmtree(snapshot.folder)
    cache.state.apply_stored(make_upload(ACME, KEY, FIRST, 2))
    assert await cache.read() == FIRST


async def test_a_version_is_not_taken_for_one_of_another_epoch(cache: Cache) -> None:
    await cache.upload(FIRST)
    upload = make_upload(ACME, KEY, FIRST).upload
    assert upload is not None
    cache.in_database = build_version(ACME, 1, upload)
    with pytest.raises(NotReadYetError):
        await cache.cache.load(make_connection(revision=2, epoch=2))
