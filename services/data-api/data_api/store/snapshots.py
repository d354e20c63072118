"""Which snapshot of a connection is in the bucket."""

from data_api.snapshot_versions import SnapshotVersion
from data_api.store.databases import ReadDatabases

_LOAD = """
SELECT h.epoch, h.fully_read, h.uploaded_sequence, h.sha256, h.bytes, h.records,
    (extract(epoch FROM h.uploaded_at) * 1000)::bigint AS uploaded_at
FROM snapshots AS h WHERE h.connection = $1
"""


async def load_version(databases: ReadDatabases, connection: str) -> SnapshotVersion | None:
    """Return the snapshot that the primary knows to be in the bucket.

    None where there is none, or none of what the account has been since it was connected.
    """
    # Not from a replica: uploads that were published before this process has started will not be heard of again.
    rows = await databases.fetch_latest(_LOAD, connection)
    if not rows or not rows[0]["fully_read"] or rows[0]["sha256"] is None:
        return None
    row = rows[0]
    return SnapshotVersion(
        connection,
        row["epoch"],
        row["uploaded_sequence"],
        row["sha256"],
        row["bytes"],
        row["records"],
        row["uploaded_at"],
    )
