"""The states of all connections' syncs, from `sync.changed`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from contracts.events import SyncChanged, SyncState

ENDED = frozenset({"success", "failed", "cancelled"})
"""The states of a sync that has ended."""


@dataclass(frozen=True, slots=True)
class SyncSummary:
    """What is asked most of a connection's syncs. The fields are those of `SyncChanged`; times are in ms."""

    epoch: int
    revision: int
    fully_read: bool
    last_success_at: int | None
    last_error: str | None
    next_poll_at: int | None
    blocked: str | None
    open_full_sync: UUID | None
    """The newest full sync that has not ended; None if there is none."""


class ConnectionSync(NamedTuple):
    """A sync, and the connection to which it belongs."""

    connection: str
    sync: SyncState


class SyncTable:
    """The latest state of each connection's syncs.

    The syncs themselves are kept as the event's JSON and are parsed when they are asked for: as objects those of ten
    thousand connections would take most of a gigabyte.
    """

    def __init__(self) -> None:
        self._summaries: dict[str, SyncSummary] = {}
        self._bodies: dict[str, bytes] = {}

    def apply(self, event: SyncChanged, body: bytes) -> bool:
        """Store an event, of which `body` is the JSON, and return True; False for a revision that is not higher."""
        stored = self._summaries.get(event.connection)
        if stored is not None and event.revision <= stored.revision:
            return False
        self._summaries[event.connection] = _summarise(event)
        self._bodies[event.connection] = body
        return True

    def get(self, connection: str, epoch: int) -> SyncSummary | None:
        """Return what is asked most of the connection's syncs; None if nothing is known of them in this epoch."""
        summary = self._summaries.get(connection)
        return summary if summary is not None and summary.epoch == epoch else None

    def list_syncs(self, connection: str, epoch: int) -> tuple[SyncState, ...]:
        """Return the syncs that have not ended and those that ended last, newest first."""
        if self.get(connection, epoch) is None:
            return ()
        return SyncChanged.model_validate_json(self._bodies[connection]).syncs

    def find(self, sync_id: UUID, connections: Iterable[tuple[str, int]]) -> ConnectionSync | None:
        """Return the sync of this id if it belongs to one of `connections` (names with their epochs), otherwise None.

        Only these are looked through, so that the time tells nothing of others.
        """
        text = str(sync_id).encode()
        for connection, epoch in connections:
            if text in self._bodies.get(connection, b""):
                for sync in self.list_syncs(connection, epoch):
                    if sync.sync_id == sync_id:
                        return ConnectionSync(connection, sync)
        return None


def _summarise(event: SyncChanged) -> SyncSummary:
    open_syncs = (sync.sync_id for sync in event.syncs if sync.mode == "full" and sync.state not in ENDED)
    return SyncSummary(
        epoch=event.epoch,
        revision=event.revision,
        fully_read=event.fully_read,
        last_success_at=event.last_success_at,
        last_error=event.last_error,
        next_poll_at=event.next_poll_at,
        blocked=event.blocked,
        open_full_sync=next(open_syncs, None),
    )
