"""All tables of a process, and the signals of their changes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.events import ConnectionChanged, DataStored, KeysChanged, LinkChanged, SyncChanged
from contracts.feed_cursors import FeedCursor
from data_api.tables.connections import ConnectionTable
from data_api.tables.feed_heads import FeedHeadTable
from data_api.tables.keys import KeyTable
from data_api.tables.links import LinkTable
from data_api.tables.signals import Signal, SignalTable
from data_api.tables.syncs import SyncTable
from data_api.tables.uploads import UploadTable


@dataclass(frozen=True)
class KnownState:
    """What this process knows, and two kinds of signals for each connection.

    `watch` is for whoever shows states: it completes with every change. `watch_feed` is for the many who wait for
    records: a sync in progress, which changes several times a second, does not wake them.
    """

    connections: ConnectionTable = field(default_factory=ConnectionTable)
    syncs: SyncTable = field(default_factory=SyncTable)
    keys: KeyTable = field(default_factory=KeyTable)
    feed_heads: FeedHeadTable = field(default_factory=FeedHeadTable)
    uploads: UploadTable = field(default_factory=UploadTable)
    links: LinkTable = field(default_factory=LinkTable)
    _changes: SignalTable = field(default_factory=SignalTable)
    _feed_changes: SignalTable = field(default_factory=SignalTable)
    _changed: set[str] = field(default_factory=set)

    def watch(self, connection: str) -> Signal:
        """Return a signal that completes with the next change of the connection: its state, syncs, keys, links or
        data.

        Take it before looking, and wait for it with `wait_for_signals`.
        """
        return self._changes.watch(connection)

    def watch_feed(self, connection: str) -> Signal:
        """Return a signal that completes when the feed reaches further, or the connection's state or keys change."""
        return self._feed_changes.watch(connection)

    def take_changed(self) -> frozenset[str]:
        """Return the connections of which the state, the keys or the feed have changed since this was called last."""
        changed = frozenset(self._changed)
        self._changed.clear()
        return changed

    def put_back_changed(self, changed: Iterable[str]) -> None:
        """Let the next `take_changed` return these connections again, because nothing could be done about them."""
        self._changed.update(changed)

    def apply_connection(self, event: ConnectionChanged) -> None:
        """Store a connection's state."""
        if self.connections.apply(event):
            self._notify(event.connection)

    def apply_keys(self, event: KeysChanged) -> None:
        """Store the keys of a connection."""
        if self.keys.apply(event):
            self._notify(event.connection)

    def apply_syncs(self, event: SyncChanged, body: bytes) -> None:
        """Store the states of a connection's syncs; `body` is the event as JSON."""
        if self.syncs.apply(event, body):
            self._changes.notify(event.connection)

    def apply_link(self, event: LinkChanged) -> None:
        """Store the state of a link."""
        for connection in self.links.apply(event):
            self._changes.notify(connection)

    def apply_stored(self, event: DataStored) -> None:
        """Store which snapshot is in the bucket."""
        if self.uploads.apply(event):
            self._changes.notify(event.connection)

    def apply_feed_head(self, connection: str, cursor: FeedCursor) -> None:
        """Store how far a connection's feed reaches."""
        if self.feed_heads.apply(connection, cursor):
            self._notify(connection)

    def _notify(self, connection: str) -> None:
        self._changed.add(connection)
        self._changes.notify(connection)
        self._feed_changes.notify(connection)
