"""Links, and the state in which each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

State = Literal["reading", "draft", "active", "paused", "ended"]
READING, DRAFT, ACTIVE, PAUSED, ENDED = "reading", "draft", "active", "paused", "ended"
LIVE = (READING, DRAFT, ACTIVE)
"""The states in which a link follows both sides."""
MAX_REASON_LENGTH = 500


@dataclass(frozen=True)
class Link:
    """A row of the table of links. `settings` are those of `linking.settings` as JSON."""

    id: UUID
    merchant: UUID
    settings: dict[str, Any]
    state: State
    reason: str | None
    is_matched: bool
    plan_number: int
    created_at: datetime
    approved_number: int | None
    """The number of the plan that a person has approved last; None until the first draft is approved."""


_COLUMNS = "id, merchant, settings, state, reason, is_matched, plan_number, created_at, approved_number"
_LOCK_NAME = "hashtextextended(current_schema() || '.link.' || CAST(CAST(:id AS uuid) AS text), 0)"
_WAIT_FOR_LOCK = text(f"SELECT pg_advisory_xact_lock({_LOCK_NAME})")
_TRY_LOCK = text(f"SELECT pg_try_advisory_xact_lock({_LOCK_NAME})")
_GET = text(f"SELECT {_COLUMNS} FROM links WHERE id = :id")
_INSERT = text("""
INSERT INTO links (id, merchant, settings, state) VALUES (:id, :merchant, CAST(:settings AS jsonb), 'reading')
""")
_SET_STATE = text("""
UPDATE links SET state = :state, reason = left(:reason, :length),
    ended_at = CASE WHEN :state = 'ended' THEN now() END
WHERE id = :id
""")
_SET_MATCHED = text("UPDATE links SET is_matched = :is_matched WHERE id = :id")
_BEGIN_APPROVAL = text("UPDATE links SET is_approving = true WHERE id = :id")
_FINISH_APPROVAL = text("""
UPDATE links SET approved_number = plan_number, is_approving = false WHERE id = :id AND is_approving
""")
_RAISE_PLAN_NUMBER = text("UPDATE links SET plan_number = plan_number + 1 WHERE id = :id RETURNING plan_number")
# What is to be matched, planned or requested of the links whose both sides are known as a whole.
_LIST_DUE = text("""
SELECT id FROM links l WHERE state = ANY(:live)
  AND NOT EXISTS (SELECT FROM sides s WHERE s.link = l.id AND NOT s.is_whole)
  AND (state = 'reading' OR EXISTS (SELECT FROM side_records r WHERE r.link = l.id AND NOT r.is_matched)
       OR EXISTS (SELECT FROM pairs p WHERE p.link = l.id AND NOT p.is_planned)
       OR (state = 'active' AND EXISTS (
           SELECT FROM writes w WHERE w.link = l.id AND w.state = 'open' AND w.due_at <= now())))
ORDER BY id
""")
# The clock (microseconds) keeps the numbers above those that were published before an older backup was restored.
_RAISE_REVISION = text("""
SELECT setval('link_revisions', GREATEST(
    nextval('link_revisions'), CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)))
""")


async def lock(tx: AsyncConnection, link_id: UUID) -> Link | None:
    """Return a link, which no other transaction changes or plans until this one ends; None if there is none.

    Whoever changes a link's state or plans it takes this lock before all others.
    """
    await tx.execute(_WAIT_FOR_LOCK, {"id": link_id})
    return await get(tx, link_id)


async def try_lock(tx: AsyncConnection, link_id: UUID) -> Link | None:
    """Return a link as `lock` does; None if another transaction has the lock."""
    if not (await tx.execute(_TRY_LOCK, {"id": link_id})).scalar_one():
        return None
    return await get(tx, link_id)


async def get(tx: AsyncConnection, link_id: UUID) -> Link | None:
    """Return a link, or None if there is none with this id."""
    row = (await tx.execute(_GET, {"id": link_id})).mappings().one_or_none()
    return Link(**row) if row else None


async def insert(tx: AsyncConnection, link_id: UUID, merchant: UUID, settings: dict[str, Any]) -> None:
    """Insert a new link, in state `reading`."""
    values = {"id": link_id, "merchant": merchant, "settings": orjson.dumps(settings).decode()}
    await tx.execute(_INSERT, values)


async def set_state(tx: AsyncConnection, link_id: UUID, state: str, reason: str | None = None) -> None:
    """Store the state of a link, and why it is in this state: at most `MAX_REASON_LENGTH` characters of it."""
    values = {"id": link_id, "state": state, "reason": reason, "length": MAX_REASON_LENGTH}
    await tx.execute(_SET_STATE, values)


async def set_matched(tx: AsyncConnection, link_id: UUID, *, is_matched: bool) -> None:
    """Store whether the records of both sides were matched since the link was made or resumed."""
    await tx.execute(_SET_MATCHED, {"id": link_id, "is_matched": is_matched})


async def raise_plan_number(tx: AsyncConnection, link_id: UUID) -> int:
    """Return the number of the link's next plan."""
    return int((await tx.execute(_RAISE_PLAN_NUMBER, {"id": link_id})).scalar_one())


async def begin_approval(tx: AsyncConnection, link_id: UUID) -> None:
    """Store that a person has approved everything that the link plans next."""
    await tx.execute(_BEGIN_APPROVAL, {"id": link_id})


async def finish_approval(tx: AsyncConnection, link_id: UUID) -> None:
    """Store, if an approval has begun, that what is decided up to now is approved."""
    await tx.execute(_FINISH_APPROVAL, {"id": link_id})


async def list_due(tx: AsyncConnection) -> Sequence[UUID]:
    """Return the ids of the links of which something is to be matched, planned or requested."""
    return (await tx.execute(_LIST_DUE, {"live": list(LIVE)})).scalars().all()


async def raise_revision(tx: AsyncConnection) -> int:
    """Return a revision for an event about a link: it is higher than all before, also after a restore."""
    return int((await tx.execute(_RAISE_REVISION)).scalar_one())
