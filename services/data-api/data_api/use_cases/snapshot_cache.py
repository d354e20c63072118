"""Keeps the latest snapshots of connections on the local disk: each is taken from the bucket once for each upload."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import IO, Protocol, TypeVar

import structlog

from contracts.events import ConnectionChanged
from data_api.recent_contents import RecentContents
from data_api.snapshot_versions import NotReadYetError, SnapshotVersion
from data_api.store.snapshot_files import IDENTITY, CachedSnapshot, SnapshotFiles, compress, discard
from data_api.tables.connections import REDACTED
from data_api.tables.signals import wait_for_signals
from data_api.tables.state import KnownState
from messaging.errors import UnavailableError

log = structlog.get_logger()

DOWNLOAD_SECONDS = 30.0
"""How long a request waits for a snapshot that is not on the disk. The download itself goes on."""
STALE_SECONDS = 5.0
"""How long it waits when an earlier snapshot can be shown instead."""
NEWER_SECONDS = 2.0
"""How long a download whose content is not what was looked for waits to hear of a later upload."""
ATTEMPTS = 3
SMALL_BYTES = 256 * 1024
"""Up to this size a file is read and sent at once. A larger one is read in pieces."""
RECENT_BYTES = 32 * 1024 * 1024
"""How many bytes of small files are kept in memory, whatever there is on the disk."""
K = TypeVar("K")
T = TypeVar("T")

LoadVersion = Callable[[str], Awaitable[SnapshotVersion | None]]
"""Returns which snapshot of a connection the database knows to be in the bucket; None if none may be shown yet."""


class Bucket(Protocol):
    """Reads objects."""

    async def fetch(self, key: str, file: IO[bytes]) -> str:
        """Write an object to a file, and return its SHA-256 (hexadecimal)."""


class SnapshotCache:
    """Finds out which snapshot of a connection is the latest, and has it on the disk.

    While the bucket or the database is away, what is on the disk is shown. Its version says how old it is.
    """

    def __init__(self, state: KnownState, files: SnapshotFiles, bucket: Bucket, load_version: LoadVersion) -> None:
        self._state = state
        self._files = files
        self._bucket = bucket
        self._load_version = load_version
        self._recent = RecentContents(RECENT_BYTES, SMALL_BYTES)
        self._known: dict[str, SnapshotVersion] = {}
        """What the database has said of connections without an upload since the process started."""
        self._downloads: dict[str, asyncio.Task[CachedSnapshot]] = {}
        self._compressions: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def load(self, connection: ConnectionChanged) -> CachedSnapshot:
        """Return the latest snapshot of a connection that may be shown.

        It is an earlier one while the latest cannot be had. Raises `NotReadYetError` when no full sync has succeeded,
        and `UnavailableError` when there is not even an earlier one.
        """
        version = await self.find_version(connection)
        cached = self._files.get(version.connection)
        if cached is not None and cached.version is version:
            return cached
        if cached is not None and cached.version.sha256 == version.sha256 and self._update_version(cached, version):
            return cached
        try:
            return await self._download_once(connection, STALE_SECONDS if cached else DOWNLOAD_SECONDS)
        except UnavailableError as error:
            if cached is None or self._files.get(version.connection) is not cached:
                raise
            log.warning("earlier snapshot shown", connection=version.connection, reason=str(error))
            return cached

    def open(self, snapshot: CachedSnapshot, encoding: str = IDENTITY) -> IO[bytes]:
        """Open the file of an encoding. What is opened stays readable, also when the snapshot is evicted or replaced.

        Raises `UnavailableError` if the file is gone. The next request then has it again.
        """
        try:
            return snapshot.open(encoding)
        except OSError as error:
            self._discard_damaged(snapshot, error)
            raise UnavailableError(f"disk: {error}") from error

    def read(self, snapshot: CachedSnapshot, encoding: str = IDENTITY) -> bytes:
        """Return an encoding of at most SMALL_BYTES. Those that were read recently are kept in memory.

        Raises the same error as `open`.
        """
        path = snapshot.get_path(encoding)
        content = self._recent.get(path)
        if content is None:
            with self.open(snapshot, encoding) as file:
                content = file.read()
            self._recent.put(path, content)
        return content

    def is_latest(self, snapshot: CachedSnapshot, connection: ConnectionChanged) -> bool:
        """Return whether a snapshot has the content of the connection's latest upload, as far as that is known."""
        name = connection.connection
        latest = self._state.uploads.get(name, connection.epoch) or self._known.get(name)
        return latest is not None and latest.sha256 == snapshot.version.sha256

    async def ensure_encoding(self, snapshot: CachedSnapshot, encoding: str) -> None:
        """Have an encoding of a snapshot on the disk, made once. Raises `UnavailableError` when the disk is full."""
        if encoding in snapshot.sizes:
            return
        key = (str(snapshot.get_path(encoding)), encoding)
        task = self._compressions.get(key)
        if task is None:
            task = self._compressions[key] = asyncio.create_task(self._compress(snapshot, encoding))
            task.add_done_callback(partial(_remove, self._compressions, key))
        await asyncio.shield(task)

    def apply_connection(self, connection: ConnectionChanged) -> None:
        """Delete what is on the disk of a connection whose data was erased. Called with each state of a connection."""
        cached = self._files.get(connection.connection)
        if cached is not None and _is_erased(cached.version, connection):
            self._forget(connection.connection)

    def drop_unknown(self) -> None:
        """Delete what is on the disk of connections that do not exist. Called when all connections are known."""
        for snapshot in self._files:
            if self._state.connections.get(snapshot.version.connection) is None:
                self._forget(snapshot.version.connection)

    async def find_version(self, connection: ConnectionChanged) -> SnapshotVersion:
        """Return the latest version: by what was heard since the start, else by the database, else by the disk.

        Raises `NotReadYetError` when no full sync has succeeded, and `UnavailableError` when this is not known.
        """
        name, epoch = connection.connection, connection.epoch
        uploaded = self._state.uploads.get(name, epoch)
        if uploaded is not None:
            return uploaded
        known = self._known.get(name)
        if known is not None and known.epoch == epoch:
            return known
        summary = self._state.syncs.get(name, epoch)
        if summary is not None and not summary.fully_read:
            raise NotReadYetError
        return await self._ask_for_version(connection)

    def _update_version(self, snapshot: CachedSnapshot, version: SnapshotVersion) -> bool:
        """Note that a later upload had the same content. Return False if the snapshot is not on the disk any more."""
        try:
            self._files.update_version(snapshot, version)
        except OSError as error:
            self._discard_damaged(snapshot, error)
            return False
        return True

    def _discard_damaged(self, snapshot: CachedSnapshot, error: OSError) -> None:
        log.warning("snapshot damaged", connection=snapshot.version.connection, reason=str(error))
        if self._files.get(snapshot.version.connection) is snapshot:
            self._files.drop(snapshot.version.connection)

    async def _ask_for_version(self, connection: ConnectionChanged) -> SnapshotVersion:
        try:
            version = await self._load_version(connection.connection)
        except UnavailableError:
            cached = self._files.get(connection.connection)
            if cached is None or cached.version.epoch != connection.epoch:
                raise
            return cached.version
        if version is None or version.epoch != connection.epoch:
            raise NotReadYetError
        self._known[connection.connection] = version
        return version

    async def _download_once(self, connection: ConnectionChanged, seconds: float) -> CachedSnapshot:
        """Wait up to `seconds` for the download of a snapshot, which all who ask for it share."""
        name = connection.connection
        task = self._downloads.get(name)
        if task is None:
            task = self._downloads[name] = asyncio.create_task(self._download(connection))
            task.add_done_callback(partial(_remove, self._downloads, name))
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(task)
        except TimeoutError as error:
            raise UnavailableError(f"bucket: no document within {seconds:.0f} s") from error

    async def _download(self, connection: ConnectionChanged) -> CachedSnapshot:
        for _ in range(ATTEMPTS):
            changed = self._state.watch(connection.connection)
            version = await self.find_version(connection)
            snapshot = await self._try_to_download(connection, version)
            if snapshot is not None:
                return snapshot
            # A later upload has replaced the object. The news of it are under way.
            await wait_for_signals(changed, seconds=NEWER_SECONDS)
        raise UnavailableError("bucket: the document is not the one that was uploaded last")

    async def _try_to_download(self, connection: ConnectionChanged, version: SnapshotVersion) -> CachedSnapshot | None:
        """Download the version; return None if the object has another content."""
        assert connection.object_key is not None, "a live connection has an object key"
        try:
            file = self._files.create()
        except OSError as error:
            raise UnavailableError(f"disk: {error}") from error
        try:
            content = await self._bucket.fetch(connection.object_key, file)
            state = self._state.connections.get(connection.connection)
            if state is None or _is_erased(version, state):
                raise UnavailableError("the data was erased in the meantime")
            return self._files.publish(version, file) if content == version.sha256 else None
        except OSError as error:
            raise UnavailableError(f"disk: {error}") from error
        finally:
            discard(file)

    async def _compress(self, snapshot: CachedSnapshot, encoding: str) -> None:
        try:
            with snapshot.open(IDENTITY) as source:
                file = self._files.create()
                try:
                    await compress(source, file, encoding)
                    self._files.add_encoding(snapshot, encoding, file)
                finally:
                    discard(file)
        except OSError as error:
            raise UnavailableError(f"disk: {error}") from error

    def _forget(self, connection: str) -> None:
        log.info("snapshot deleted", connection=connection)
        self._known.pop(connection, None)
        if (snapshot := self._files.get(connection)) is not None:
            self._recent.drop(snapshot.folder)
        self._files.drop(connection)


def _remove(tasks: dict[K, "asyncio.Task[T]"], key: K, task: "asyncio.Task[T]") -> None:
    """Remove a task that is done, and take note of its error, for which nobody may wait any more."""
    tasks.pop(key, None)
    if not task.cancelled():
        task.exception()


def _is_erased(version: SnapshotVersion, connection: ConnectionChanged) -> bool:
    return connection.state == REDACTED or version.epoch < connection.redacted_epoch
