"""Snapshots on the local disk, each in the encodings in which it was asked for.

A connection has one folder: a file for each encoding of its latest snapshot, and `current.json`, which names it. Files
are written under a temporary name and renamed when they are complete. So whatever is found after a kill is whole.
"""

import asyncio
import os
import shutil
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import cramjam
import orjson
import structlog

from data_api.snapshot_versions import SnapshotVersion

log = structlog.get_logger()

IDENTITY, GZIP, ZSTD = "identity", "gzip", "zstd"
_SUFFIXES = {IDENTITY: ".json", GZIP: ".json.gz", ZSTD: ".json.zst"}
_CURRENT = "current.json"
_TEMPORARY = ".part"
_BLOCK_BYTES = 1024 * 1024
_PIECE_BYTES = 256 * 1024
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3


@dataclass(eq=False)
class CachedSnapshot:
    """A snapshot on the disk: the files of its encodings, with their sizes in bytes."""

    version: SnapshotVersion
    folder: Path
    sizes: dict[str, int] = field(default_factory=dict)

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Where the file of each encoding is, or would be."""
        return {encoding: self.folder / (self.version.sha256 + suffix) for encoding, suffix in _SUFFIXES.items()}

    def open(self, encoding: str = IDENTITY) -> IO[bytes]:
        """Open the file of an encoding. What is opened stays readable, also when the snapshot is evicted or replaced.

        Raises `OSError` when the file is gone.
        """
        return self.get_path(encoding).open("rb", buffering=0)

    def get_path(self, encoding: str) -> Path:
        """Return where the file of an encoding is, or would be."""
        return self.paths[encoding]


class SnapshotFiles:
    """The snapshots in `folder`, of at most `max_bytes` together: those that were used least recently go first.

    The last one is kept, however large it is. One process at a time uses a folder.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._snapshots: OrderedDict[str, CachedSnapshot] = OrderedDict()
        self.bytes = 0
        """The size of all files together."""

    def load(self) -> None:
        """Take over what a former process has left in the folder, and delete what is not whole."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime):
            if path.name.endswith(_TEMPORARY):
                path.unlink(missing_ok=True)
            elif path.is_dir() and not self._adopt(path):
                shutil.rmtree(path, ignore_errors=True)

    def get(self, connection: str) -> CachedSnapshot | None:
        """Return the snapshot of a connection, which is now the one that was used last; None if there is none."""
        snapshot = self._snapshots.get(connection)
        if snapshot is not None:
            self._snapshots.move_to_end(connection)
        return snapshot

    def __iter__(self) -> Iterator[CachedSnapshot]:
        """Iterate over all snapshots."""
        return iter(list(self._snapshots.values()))

    def create(self) -> IO[bytes]:
        """Create a temporary file, which `publish` takes or `discard` deletes. Raises `OSError` on a full disk."""
        return tempfile.NamedTemporaryFile(dir=self._folder, suffix=_TEMPORARY, buffering=0, delete=False)

    def publish(self, version: SnapshotVersion, file: IO[bytes]) -> CachedSnapshot:
        """Make `file` the snapshot of the connection, in place of an earlier one, and evict others if need be."""
        snapshot = CachedSnapshot(version, self._folder / sha256(version.connection.encode()).hexdigest()[:32])
        former = self._snapshots.get(version.connection)
        snapshot.folder.mkdir(exist_ok=True)
        self._put(snapshot, IDENTITY, file)
        self._name_current(snapshot)
        if former is not None:
            self._forget(former)
            for path in {former.get_path(encoding) for encoding in former.sizes} - {snapshot.get_path(IDENTITY)}:
                path.unlink(missing_ok=True)
        self._snapshots[version.connection] = snapshot
        self._evict(spared=version.connection)
        return snapshot

    def add_encoding(self, snapshot: CachedSnapshot, encoding: str, file: IO[bytes]) -> None:
        """Make `file` the encoding of a snapshot, unless that was replaced or evicted in the meantime."""
        if self._snapshots.get(snapshot.version.connection) is snapshot:
            self._put(snapshot, encoding, file)
            self._evict(spared=snapshot.version.connection)
        else:
            discard(file)

    def update_version(self, snapshot: CachedSnapshot, version: SnapshotVersion) -> None:
        """Note that a later upload had the same content."""
        snapshot.version = version
        self._name_current(snapshot)

    def drop(self, connection: str) -> None:
        """Delete everything of a connection."""
        snapshot = self._snapshots.get(connection)
        if snapshot is not None:
            self._forget(snapshot)
            shutil.rmtree(snapshot.folder, ignore_errors=True)

    def _adopt(self, folder: Path) -> bool:
        try:
            version = SnapshotVersion(**orjson.loads((folder / _CURRENT).read_bytes()))
            snapshot = CachedSnapshot(version, folder)
            paths = snapshot.paths
            snapshot.sizes = {encoding: path.stat().st_size for encoding, path in paths.items() if path.exists()}
        except (OSError, TypeError, orjson.JSONDecodeError):
            return False
        if snapshot.sizes.get(IDENTITY) != version.bytes:
            return False
        for path in folder.iterdir():
            if path.name != _CURRENT and path not in paths.values():
                path.unlink(missing_ok=True)
        self._snapshots[version.connection] = snapshot
        self.bytes += sum(snapshot.sizes.values())
        self._evict(spared=version.connection)
        return True

    def _put(self, snapshot: CachedSnapshot, encoding: str, file: IO[bytes]) -> None:
        size = file.tell()
        file.close()
        os.replace(file.name, snapshot.get_path(encoding))
        snapshot.sizes[encoding] = size
        self.bytes += size

    def _name_current(self, snapshot: CachedSnapshot) -> None:
        with self.create() as file:
            file.write(orjson.dumps(asdict(snapshot.version)))
        os.replace(file.name, snapshot.folder / _CURRENT)

    def _evict(self, spared: str) -> None:
        for connection in list(self._snapshots):
            if self.bytes <= self._max_bytes:
                return
            if connection != spared:
                log.info("snapshot evicted", connection=connection)
                self.drop(connection)

    def _forget(self, snapshot: CachedSnapshot) -> None:
        self._snapshots.pop(snapshot.version.connection, None)
        self.bytes -= sum(snapshot.sizes.values())


def discard(file: IO[bytes]) -> None:
    """Delete a temporary file that is not needed."""
    file.close()
    Path(file.name).unlink(missing_ok=True)


async def read_pieces(file: IO[bytes], start: int, end: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a file from `start` up to `end` in pieces, and close it."""
    with file:
        file.seek(start)
        while start < end:
            piece = await asyncio.to_thread(file.read, min(_PIECE_BYTES, end - start))
            if not piece:
                raise OSError("a snapshot is shorter than it was")
            start += len(piece)
            yield piece


def read_blocks(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of a file from `start` up to `end` in blocks, and close it. It waits for the disk."""
    with file:
        file.seek(start)
        while start < end:
            block = file.read(min(_PIECE_BYTES, end - start))
            if not block:
                raise OSError("a snapshot is shorter than it was")
            start += len(block)
            yield block


async def compress(source: IO[bytes], target: IO[bytes], encoding: str) -> None:
    """Write the content of `source` to `target` in an encoding, in a thread of its own and a block at a time."""
    await asyncio.to_thread(_compress, source, target, encoding)


def _compress(source: IO[bytes], target: IO[bytes], encoding: str) -> None:
    compressor = _GzipCompressor() if encoding == GZIP else _ZstdCompressor()
    while block := source.read(_BLOCK_BYTES):
        target.write(compressor.compress(block))
    target.write(compressor.finish())


class _GzipCompressor:
    def __init__(self) -> None:
        # 31: the format of gzip. Its header names no time, so that equal documents have equal encodings.
        self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)

    def compress(self, block: bytes) -> bytes:
        return self._compressor.compress(block)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _ZstdCompressor:
    def __init__(self) -> None:
        self._compressor: Any = cramjam.zstd.Compressor(level=_ZSTD_LEVEL)

    def compress(self, block: bytes) -> bytes:
        self._compressor.compress(block)
        return bytes(self._compressor.flush())

    def finish(self) -> bytes:
        return bytes(self._compressor.finish())
