"""Builders of the states and keys that the tests of the data API need."""

from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from contracts.events import ApiKey, ConnectionChanged, KeysChanged, SyncChanged, SyncState
from data_api.access import AccessControl
from data_api.operator_keys import OperatorKey
from data_api.tables.state import KnownState

ACME, OTHER = "shop-platform:acme.example", "page-platform:1029"
MERCHANT = UUID("00000000-0000-4000-8000-00000000000a")
KEY, OPERATOR_KEY = "msk_0123456789abcdefghijklmnopqrstuv", "the-operators-own-key-0000001"
NOW_MS = 1_796_000_000_000


def make_connection(connection: str = ACME, **fields: Any) -> ConnectionChanged:
    defaults: dict[str, Any] = {"revision": 1, "epoch": 1, "state": "connected", "merchant": MERCHANT}
    key = f"{connection.partition(':')[2]}/data.json"
    return ConnectionChanged(connection=connection, **{**defaults, "object_key": key, **fields})


def make_key(key: str = KEY, **fields: Any) -> ApiKey:
    defaults: dict[str, Any] = {
        "id": uuid4(),
        "name": "bot",
        "prefix": key[:8],
        "sha256": sha256(key.encode()).hexdigest(),
        "scopes": ("read", "refresh"),
        "epoch": 1,
        "merchant": MERCHANT,
    }
    return ApiKey(**{**defaults, **fields})


def make_keys(*keys: ApiKey, connection: str = ACME, revision: int = 1) -> KeysChanged:
    return KeysChanged(connection=connection, revision=revision, keys=keys)


def make_sync(**fields: Any) -> SyncState:
    defaults: dict[str, Any] = {"sync_id": uuid4(), "mode": "full", "cause": "poll", "state": "running"}
    return SyncState(**{**defaults, "requested_at": NOW_MS, **fields})


def make_syncs(*syncs: SyncState, connection: str = ACME, **fields: Any) -> SyncChanged:
    defaults: dict[str, Any] = {"epoch": 1, "revision": 1, "fully_read": True, "last_success_at": NOW_MS}
    return SyncChanged(connection=connection, syncs=syncs, **{**defaults, **fields})


def make_operator_key(key: str = OPERATOR_KEY, *connections: str) -> OperatorKey:
    return OperatorKey("console", sha256(key.encode()).hexdigest(), frozenset(connections))


def make_state(*connections: ConnectionChanged) -> KnownState:
    """Make a state with these connections; without any, with `ACME` and a key for it."""
    state = KnownState()
    for connection in connections or (make_connection(),):
        state.apply_connection(connection)
    state.apply_keys(make_keys(make_key()))
    return state


def make_access(state: KnownState, *operator_keys: OperatorKey) -> AccessControl:
    return AccessControl(state.connections, state.keys, operator_keys, now=lambda: NOW_MS)
