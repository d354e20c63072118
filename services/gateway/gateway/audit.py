"""An entry of the audit log: who did what to a connection, when, and from where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from gateway.sessions.browsers import Browser


class Action(StrEnum):
    """What was done to a connection."""

    CONNECT = "connect"
    PROVE = "prove"
    DISCONNECT = "disconnect"
    REQUEST_DELETION = "request_deletion"
    DELETE = "delete"
    MOVE = "move"
    END_OTHER_SESSIONS = "end_other_sessions"
    REQUEST_SYNC = "request_sync"
    CANCEL_SYNC = "cancel_sync"
    ALLOW_DELETIONS = "allow_deletions"


BESIDE = "beside"
"""The detail of a move that names the connection beside which another was listed."""
MERCHANT, OPERATOR, PLATFORM = "merchant", "operator", "platform"
"""The kinds of actors: a browser that has proved the connection, the operator, and the platform by a webhook or a
signed request."""


@dataclass(frozen=True)
class Actor:
    """Who does something. `session` and `browser` are those of a merchant, otherwise None."""

    kind: str
    session: UUID | None = None
    browser: Browser | None = None


BY_OPERATOR, BY_PLATFORM = Actor(OPERATOR), Actor(PLATFORM)


@dataclass(frozen=True)
class AuditEntry:
    """One thing that was done. `details` depend on the action, e.g. the merchant to which a connection was moved."""

    action: Action
    connection: str
    actor: Actor
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredAuditEntry:
    """An entry as it is stored. Ids rise with time; `at` is in ms since 1970.

    After the connection's data has been deleted, the entry has neither a session nor a browser.
    """

    id: int
    at: int
    entry: AuditEntry
