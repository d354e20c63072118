"""Which document of a connection is meant: one that was uploaded to the bucket."""

from dataclasses import dataclass

from contracts.events import Upload


@dataclass(frozen=True, slots=True)
class SnapshotVersion:
    """A snapshot that was uploaded to the bucket: a connection's document at the sequence number `sequence`."""

    connection: str
    epoch: int
    """The connection's epoch when it was uploaded."""
    sequence: int
    sha256: str
    bytes: int
    records: int
    uploaded_at: int | None
    """When (ms) it was last uploaded, or found unchanged; None if that is not known any more."""


def build_version(connection: str, epoch: int, upload: Upload) -> SnapshotVersion:
    """Return the version that an upload has put into the bucket, or found there."""
    return SnapshotVersion(
        connection, epoch, upload.sequence, upload.sha256, upload.bytes, upload.records, upload.stored_at
    )


class NotReadYetError(Exception):
    """Raised while there is nothing to show of a connection, because no full sync of it has succeeded."""
