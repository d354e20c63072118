"""The latest upload of each connection's snapshot, from `data.stored`."""

from typing import NamedTuple

from contracts.events import DataStored, Upload


class EpochUpload(NamedTuple):
    """An upload, and the connection's epoch in which it was made."""

    epoch: int
    upload: Upload


class UploadTable:
    """The latest snapshot in the bucket of each connection, as far as it was uploaded since the process started."""

    def __init__(self) -> None:
        self._uploads: dict[str, EpochUpload] = {}

    def apply(self, event: DataStored) -> bool:
        """Store the upload of an event, and return True. Return False if it has none, a failed or an older one."""
        upload = event.upload
        if upload is None or upload.outcome == "failed" or not upload.sha256:
            return False
        stored = self._uploads.get(event.connection)
        if stored is not None and (event.epoch, upload.sequence) < (stored.epoch, stored.upload.sequence):
            return False
        self._uploads[event.connection] = EpochUpload(event.epoch, upload)
        return True

    def get(self, connection: str, epoch: int) -> Upload | None:
        """Return the latest upload of this epoch; None if there was none since the process started."""
        stored = self._uploads.get(connection)
        return stored.upload if stored is not None and stored.epoch == epoch else None
