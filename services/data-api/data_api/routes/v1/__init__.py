"""The operations of `/v1`: records, changes, snapshots and syncs of connections."""
