"""Snapshots on the disk: whole after a kill, in several encodings, and never too many."""

import gzip
import os
from hashlib import sha256
from pathlib import Path
from random import Random

import cramjam
import pytest

from api_builders import ACME, OTHER
from data_api.snapshot_versions import SnapshotVersion
from data_api.store.snapshot_files import CachedSnapshot, SnapshotFiles, compress, discard, read_pieces

DOCUMENT = b'{"data":[' + b",".join(b'{"id":%d}' % number for number in range(300_000)) + b"]}"


def make_version(document: bytes, connection: str = ACME, sequence: int = 1) -> SnapshotVersion:
    digest = sha256(document).hexdigest()
    return SnapshotVersion(connection, 1, sequence, digest, len(document), 2, 1_796_000_000_000)


def store(files: SnapshotFiles, document: bytes, connection: str = ACME) -> CachedSnapshot:
    file = files.create()
    file.write(document)
    return files.publish(make_version(document, connection), file)


def open_files(folder: Path, max_bytes: int = 10**9) -> SnapshotFiles:
    files = SnapshotFiles(folder, max_bytes)
    files.load()
    return files


def list_names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def encode(files: SnapshotFiles, snapshot: CachedSnapshot, encoding: str) -> bytes:
    file = files.create()
    with snapshot.open() as source:
        await compress(source, file, encoding)
    files.add_encoding(snapshot, encoding, file)
    return snapshot.get_path(encoding).read_bytes()


async def test_a_document_is_the_same_in_all_encodings(tmp_path: Path) -> None:
    assert len(DOCUMENT) > 3 * 1024 * 1024, "more than one block is compressed"
    files = open_files(tmp_path)
    snapshot = store(files, DOCUMENT)
    compressed = [await encode(files, snapshot, encoding) for encoding in ("gzip", "zstd")]
    assert gzip.decompress(compressed[0]) == DOCUMENT
    assert bytes(cramjam.zstd.decompress(compressed[1])) == DOCUMENT
    assert files.bytes == len(DOCUMENT) + sum(map(len, compressed))


async def test_a_part_of_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    snapshot = store(open_files(tmp_path), DOCUMENT)
    pieces = [piece async for piece in read_pieces(snapshot.open(), 9, len(DOCUMENT) - 2)]
    assert b"".join(pieces) == DOCUMENT[9:-2] and max(map(len, pieces)) <= 256 * 1024


async def test_what_a_process_has_left_is_found_after_a_kill(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    await encode(files, store(files, DOCUMENT), "gzip")
    # Killed in the middle of a download, and of writing down which snapshot is the current one.
    files.create().write(b"half of a docu")
    left = open_files(tmp_path)
    snapshot = left.get(ACME)
    assert snapshot is not None and snapshot.version == make_version(DOCUMENT)
    assert (set(snapshot.sizes), left.bytes) == ({"identity", "gzip"}, files.bytes)
    assert not [name for name in list_names(tmp_path) if name.endswith(".part")]


@pytest.mark.parametrize("damage", ["truncate", "unname", "misname"])
def test_what_is_not_whole_is_deleted(tmp_path: Path, damage: str) -> None:
    snapshot = store(open_files(tmp_path), DOCUMENT)
    current = snapshot.folder / "current.json"
    match damage:
        case "truncate":
            os.truncate(snapshot.get_path("identity"), 7)
        case "unname":
            current.unlink()
        case _:
            current.write_bytes(b'{"connection": "')
    assert open_files(tmp_path).get(ACME) is None
    assert list_names(tmp_path) == set()


def test_a_later_snapshot_takes_the_place_of_an_earlier_one_that_is_still_read(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    with store(files, DOCUMENT).open() as reading:
        snapshot = store(files, b'{"data":[]}')
        assert files.get(ACME) is snapshot and files.bytes == 11
        assert list_names(tmp_path) == {"current.json", snapshot.get_path("identity").name}
        assert reading.read() == DOCUMENT


def test_the_least_used_snapshot_is_evicted_and_the_last_one_is_kept(tmp_path: Path) -> None:
    files = open_files(tmp_path, max_bytes=250)
    random = Random(1)
    for name in ("a:1", "a:2"):
        store(files, random.randbytes(100), name)
    assert files.get("a:1") is not None
    store(files, random.randbytes(100), "a:3")
    assert [name for name in ("a:1", "a:2", "a:3") if files.get(name)] == ["a:1", "a:3"]
    store(files, random.randbytes(1000), "a:4")
    assert [name for name in ("a:1", "a:3", "a:4") if files.get(name)] == ["a:4"]
    assert files.bytes == 1000


async def test_an_encoding_that_comes_too_late_is_discarded(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    snapshot = store(files, DOCUMENT)
    file = files.create()
    with snapshot.open() as source:
        await compress(source, file, "gzip")
    files.drop(ACME)
    files.add_encoding(snapshot, "gzip", file)
    assert (list_names(tmp_path), files.bytes) == (set(), 0)


def test_everything_of_a_connection_is_deleted_and_nothing_of_another(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    store(files, DOCUMENT)
    kept = store(files, b"{}", OTHER)
    files.drop(ACME)
    assert list_names(tmp_path) == {"current.json", kept.get_path("identity").name}
    unused = files.create()
    discard(unused)
    assert len(list_names(tmp_path)) == 2
