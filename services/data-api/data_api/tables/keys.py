"""The keys that were made on connections' pages, from `key.changed`."""

from dataclasses import dataclass

from contracts.events import ApiKey, KeysChanged


@dataclass(frozen=True, slots=True)
class ConnectionKey:
    """A key, and the only connection that it may be good for."""

    connection: str
    key: ApiKey


class KeyTable:
    """All keys by their hash. A key that its connection's latest event does not list is unknown."""

    def __init__(self) -> None:
        self._revisions: dict[str, int] = {}
        self._by_connection: dict[str, tuple[str, ...]] = {}
        self._by_hash: dict[str, ConnectionKey] = {}

    def apply(self, event: KeysChanged) -> bool:
        """Replace the keys of a connection, and return True. Return False for a revision that is not higher."""
        if event.revision <= self._revisions.get(event.connection, -1):
            return False
        self._revisions[event.connection] = event.revision
        for former in self._by_connection.get(event.connection, ()):
            self._by_hash.pop(former, None)
        self._by_hash.update({key.sha256: ConnectionKey(event.connection, key) for key in event.keys})
        self._by_connection[event.connection] = tuple(key.sha256 for key in event.keys)
        return True

    def find(self, sha256: str) -> ConnectionKey | None:
        """Return the key with this SHA-256 (hexadecimal), or None."""
        return self._by_hash.get(sha256)

    def get_revision(self, connection: str) -> int:
        """Return the revision of the connection's keys that is known; -1 if nothing is known of them."""
        return self._revisions.get(connection, -1)

    def list_keys(self, connection: str) -> list[ConnectionKey]:
        """Return all keys of a connection."""
        return [self._by_hash[sha256] for sha256 in self._by_connection.get(connection, ()) if sha256 in self._by_hash]
