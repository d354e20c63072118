"""The latest upload of each connection's snapshot, from `data.stored`."""

from contracts.events import DataStored
from data_api.snapshot_versions import SnapshotVersion, build_version


class UploadTable:
    """The latest snapshot in the bucket of each connection, as far as it was uploaded since the process started."""

    def __init__(self) -> None:
        self._versions: dict[str, SnapshotVersion] = {}

    def apply(self, event: DataStored) -> bool:
        """Store the upload of an event, and return True. Return False if it has none, a failed or an older one."""
        upload = event.upload
        if upload is None or upload.outcome == "failed" or not upload.sha256:
            return False
        stored = self._versions.get(event.connection)
        if stored is not None and (event.epoch, upload.sequence) < (stored.epoch, stored.sequence):
            return False
        self._versions[event.connection] = build_version(event.connection, event.epoch, upload)
        return True

    def get(self, connection: str, epoch: int) -> SnapshotVersion | None:
        """Return the latest version of this epoch; None if none was uploaded since the process started."""
        version = self._versions.get(connection)
        return version if version is not None and version.epoch == epoch else None
