"""Decides who a key belongs to, and which connections its holder may see now. No other module decides this."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from uuid import UUID

from contracts.events import ApiKey, ConnectionChanged
from data_api.operator_keys import OperatorKey
from data_api.tables.connections import ConnectionTable
from data_api.tables.keys import ConnectionKey, KeyTable

Scope = Literal["read", "refresh", "manage"]
_OPERATOR = "operator:"
ALL_SCOPES = frozenset[Scope](("read", "refresh", "manage"))


def get_time_ms() -> int:
    """Return the time in milliseconds since 1970 (the Unix epoch)."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """Whoever has sent a good key. What the caller may see now, `AccessControl` is asked each time."""

    key_hash: str
    """The SHA-256 of the key (hexadecimal). Limits are counted by it."""
    label: str
    """What logs show of the key: its prefix, or the name of an operator's key."""
    scopes: frozenset[Scope]
    connection: str | None
    """The only connection of a key that was made on its page; None for an operator's key."""
    key: ApiKey | OperatorKey

    @property
    def owner(self) -> str:
        """Who owns what is made with the key. A key that replaces it has the same owner."""
        if isinstance(self.key, OperatorKey):
            return f"{_OPERATOR}{self.key.name}"
        return str(self.key.origin or self.key.id)


class AccessControl:
    """Looks keys up by their hash: the time that this takes tells nothing of any other key.

    `now` returns the time in ms since 1970.
    """

    def __init__(
        self,
        connections: ConnectionTable,
        keys: KeyTable,
        operator_keys: Iterable[OperatorKey],
        now: Callable[[], int] = get_time_ms,
    ) -> None:
        self._connections = connections
        self._keys = keys
        self._operator_callers = {key.sha256: _build_operator(key) for key in operator_keys}
        self._now = now

    def identify(self, key: str) -> ApiCaller | None:
        """Return whose key this is; None for a key that is unknown, revoked or expired."""
        return self._find_caller(sha256(key.encode("utf-8", "surrogateescape")).hexdigest())

    def get_visible(self, caller: ApiCaller, connection: str) -> ConnectionChanged | None:
        """Return the state of a connection that the caller may see now.

        None for one that does not exist, is not live, or is somebody else's: nobody learns which of these it is.
        """
        state = self._connections.get_live(connection)
        return state if state is not None and _may_see(caller, state) else None

    def list_visible(self, caller: ApiCaller) -> list[ConnectionChanged]:
        """Return the states of all connections that the caller may see now, sorted by name."""
        if caller.connection is not None:
            names: Iterable[str] = (caller.connection,)
        elif isinstance(caller.key, OperatorKey) and caller.key.connections:
            names = sorted(caller.key.connections)
        else:
            names = sorted(state.connection for state in self._connections)
        visible = (self.get_visible(caller, name) for name in names)
        return [state for state in visible if state is not None]

    def is_still_visible(self, caller: ApiCaller, seen: ConnectionChanged) -> bool:
        """Return whether the caller's key is still good and shows the connection as it did when `seen` was read.

        Streams ask this whenever the connection or its keys change, and now and then: a key may expire.
        """
        if self._find_caller(caller.key_hash) is None or self.get_visible(caller, seen.connection) is None:
            return False
        return self.is_bound(seen.connection, seen.epoch, seen.merchant)

    def get_keys_revision(self, connection: str) -> int:
        """Return the revision of the connection's keys that is known; -1 if nothing is known of them."""
        return self._keys.get_revision(connection)

    def is_bound(self, connection: str, epoch: int, merchant: UUID | None) -> bool:
        """Return whether a connection is live, and still what it was when it had this epoch and this merchant."""
        state = self._connections.get_live(connection)
        return state is not None and (state.epoch, state.merchant) == (epoch, merchant)

    def has_connection_state(self, connection: str, revision: int) -> bool:
        """Return whether the state of a connection with this revision, or a later one, is known here."""
        state = self._connections.get(connection)
        return state is not None and state.revision >= revision

    def is_owner_good(self, owner: str, connection: str) -> bool:
        """Return whether some key of `owner` (see `ApiCaller.owner`) may manage the endpoints of a connection now."""
        state = self._connections.get_live(connection)
        if state is None:
            return False
        callers = (
            self._operator_callers.values()
            if is_operator(owner)
            else (self._build_caller(made) for made in self._keys.list_keys(connection))
        )
        return any(
            caller is not None and caller.owner == owner and "manage" in caller.scopes and _may_see(caller, state)
            for caller in callers
        )

    def is_erased(self, seen: ConnectionChanged) -> bool:
        """Return whether all data of the connection has been deleted since `seen` was read."""
        state = self._connections.get(seen.connection)
        return state is None or state.redacted_epoch > seen.redacted_epoch or state.state == "redacted"

    def _find_caller(self, key_hash: str) -> ApiCaller | None:
        caller = self._operator_callers.get(key_hash)
        if caller is not None:
            return caller
        made = self._keys.find(key_hash)
        return self._build_caller(made) if made is not None else None

    def _build_caller(self, made: ConnectionKey) -> ApiCaller | None:
        """Return whoever has this key; None if it has expired."""
        key = made.key
        if key.expires_at is not None and key.expires_at <= self._now():
            return None
        return ApiCaller(key.sha256, key.prefix, frozenset(key.scopes), made.connection, key)


def is_operator(owner: str) -> bool:
    """Return whether what belongs to `owner` was made with a key of the operator."""
    return owner.startswith(_OPERATOR)


def _build_operator(key: OperatorKey) -> ApiCaller:
    return ApiCaller(key.sha256, key.name, ALL_SCOPES, None, key)


def _may_see(caller: ApiCaller, state: ConnectionChanged) -> bool:
    """Return whether the caller's key is for this live connection, as it is now."""
    key = caller.key
    if isinstance(key, OperatorKey):
        return not key.connections or state.connection in key.connections
    return caller.connection == state.connection and (key.epoch, key.merchant) == (state.epoch, state.merchant)
