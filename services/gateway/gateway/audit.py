"""The entries of the audit log: who did what to a connection, when, and from where."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
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
    MAKE_KEY = "make_key"
    ROTATE_KEY = "rotate_key"
    REVOKE_KEY = "revoke_key"
    REVOKE_ALL_KEYS = "revoke_all_keys"
    CREATE_LINK = "create_link"
    APPROVE_PLAN = "approve_plan"
    SETTLE_CONFLICTS = "settle_conflicts"
    RETRY_WRITES = "retry_writes"
    BOOK_SALES = "book_sales"
    SYNC_LINK = "sync_link"
    PAUSE_LINK = "pause_link"
    RESUME_LINK = "resume_link"
    END_LINK = "end_link"


BESIDE = "beside"
"""The detail of a move that names the connection beside which another was listed."""
WITH, RECORD = "with", "record"
"""The details that name the other account of a link, and a record of one of them that was chosen."""
OUTCOME = "outcome"
"""The detail that says where nobody knows whether something was done."""
SYNC_ID = "sync_id"
"""The detail that names the sync that was requested or cancelled."""
KEY, KEY_NAME = "key", "name"
"""The details with the id and the name of the key with which a reader of the data API did something."""
MERCHANT, OPERATOR, PLATFORM, READER, LINK = "merchant", "operator", "platform", "reader", "link"
"""The kinds of actors: a browser that has proved the connection, the operator, the platform by a webhook or a signed
request, a reader of the data API by a key, and the connection's link, for a sync of its own."""


@dataclass(frozen=True)
class Actor:
    """Who does something. `session` and `browser` are those of a merchant, otherwise None."""

    kind: str
    session: UUID | None = None
    browser: Browser | None = None


BY_OPERATOR, BY_PLATFORM = Actor(OPERATOR), Actor(PLATFORM)
BY_READER, BY_LINK = Actor(READER), Actor(LINK)


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


@dataclass(frozen=True)
class RepeatedAuditEntry:
    """An entry of the audit log that was made `count` times, the first time at `first_at` (ms).

    `latest` is the last of them. They are alike in everything but their times and the sync that they name.
    """

    latest: StoredAuditEntry
    count: int
    first_at: int


def merge_repeated_entries(entries: Iterable[StoredAuditEntry], lines: int) -> list[RepeatedAuditEntry]:
    """Merge entries that are alike, and return at most `lines` of each action, so that no action hides the others.

    `entries` are sorted, the latest first, and so is the result.
    """
    merged: dict[Hashable, RepeatedAuditEntry] = {}
    for stored in entries:
        key = _build_likeness(stored.entry)
        before = merged.get(key)
        latest, count = (before.latest, before.count) if before else (stored, 0)
        merged[key] = RepeatedAuditEntry(latest, count + 1, stored.at)
    shown = Counter[Action]()
    result = []
    for one in merged.values():
        shown[one.latest.entry.action] += 1
        if shown[one.latest.entry.action] <= lines:
            result.append(one)
    return result


def _build_likeness(entry: AuditEntry) -> Hashable:
    """Return a key that is equal for entries that are alike."""
    details = frozenset((name, value) for name, value in entry.details.items() if name != SYNC_ID)
    return entry.action, entry.actor, details
