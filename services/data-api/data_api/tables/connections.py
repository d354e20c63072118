"""The states of all connections, from `connection.changed`."""

from collections.abc import Iterator

from contracts.events import ConnectionChanged
from messaging.message_checks import check_epochs

LIVE_STATES = frozenset({"connected", "reauthorise"})
"""The states in which a connection's data may be read."""
REDACTED = "redacted"


def is_live(connection: ConnectionChanged) -> bool:
    """Return whether the data of a connection in this state may be read."""
    return connection.state in LIVE_STATES


class ConnectionTable:
    """The latest state of each connection, by name."""

    def __init__(self) -> None:
        self._states: dict[str, ConnectionChanged] = {}

    def apply(self, event: ConnectionChanged) -> bool:
        """Store a connection's state, and return True. Return False for a revision that is not higher than the stored.

        Raises `ForeignMessageError` for a later revision with a lower epoch: the gateway never lowers one.
        """
        stored = self._states.get(event.connection)
        if stored is not None:
            if event.revision <= stored.revision:
                return False
            check_epochs([event], revision=stored.revision, epoch=stored.epoch)
        self._states[event.connection] = event
        return True

    def get(self, connection: str) -> ConnectionChanged | None:
        """Return the state of a connection; None if there is none of this name."""
        return self._states.get(connection)

    def get_live(self, connection: str) -> ConnectionChanged | None:
        """Return the state of a connection whose data may be read, otherwise None."""
        state = self._states.get(connection)
        return state if state is not None and state.state in LIVE_STATES else None

    def __iter__(self) -> Iterator[ConnectionChanged]:
        """Iterate over the states of all connections."""
        return iter(self._states.values())
