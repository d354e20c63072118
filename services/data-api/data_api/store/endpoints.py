"""Stores endpoints and the messages to them. All times come from the caller's clock.

A process that delivers to an endpoint holds a lease of it. What it stores afterwards is ignored when it has lost the
lease meanwhile, because its time was up or because somebody has changed the endpoint.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.feed_cursors import FeedCursor
from data_api.store.own_database import OwnDatabase
from data_api.webhook_endpoints import (
    Attempt,
    Delivery,
    EndpointOptions,
    NewMessage,
    PendingDelivery,
    WebhookEndpoint,
)

LEASE_SECONDS = 60.0
"""How long a process may work on an endpoint after what it stored of it last. No attempt takes nearly as long."""
SOON_SECONDS = 1.0
"""When an endpoint with news is due at the latest, also after a clock that was ahead has set a later time."""
SLOW_SECONDS = 2.0
"""An endpoint whose last attempt took longer is visited with those that fail."""
KEPT_DAYS = 7
"""How long a delivery is kept after its end."""
PRUNED_AT_ONCE = 1000

_COLUMNS = """
id, connection, epoch, merchant, connection_revision, owner, keys_revision, url, description, resources, is_full,
is_ordered, secret, former_secret, former_secret_until, state, reason, position, failing_since, made_at, next_message_at
"""
_ADD = text(f"""
INSERT INTO endpoints ({_COLUMNS}, due_at)
VALUES (:id, :connection, :epoch, :merchant, :connection_revision, :owner, :keys_revision, :url, :description,
        CAST(:resources AS text[]), :is_full, :is_ordered, :secret, NULL, NULL, 'active', NULL, :position, NULL, :now,
        :now, :now)
""")
_LOCK_CONNECTION = text("SELECT pg_advisory_xact_lock(hashtext('endpoints'), hashtext(:connection))")
_COUNT = text("SELECT count(*) FROM endpoints WHERE connection = :connection")
_LOAD = text(f"SELECT {_COLUMNS} FROM endpoints WHERE id = :id")
_LIST = text(f"""
SELECT {_COLUMNS} FROM endpoints
WHERE connection = ANY(CAST(:connections AS text[])) AND (connection, id) > (:connection, :id)
ORDER BY connection, id LIMIT :limit
""")
_LIST_BOUND = text(f"SELECT {_COLUMNS} FROM endpoints WHERE connection = ANY(CAST(:connections AS text[]))")
_LIST_ALL = text(f"SELECT {_COLUMNS} FROM endpoints")
# Each transaction that changes an endpoint and its deliveries locks the endpoint first: none waits for another in turn.
_LOCK = text("SELECT id FROM endpoints WHERE id = :id FOR UPDATE")
_LOCK_TO_END = text("""
SELECT id FROM endpoints
WHERE id = :id AND state <> 'ended' AND (CAST(:lease AS uuid) IS NULL OR lease = :lease) FOR UPDATE
""")
# Whoever visits it loses the lease: a visit sends to the former address, with the former secret.
_UPDATE = text("""
UPDATE endpoints SET url = :url, description = :description, resources = CAST(:resources AS text[]),
    is_full = :is_full, is_ordered = :is_ordered, due_at = :now, is_held = false, lease = NULL, leased_until = NULL
WHERE id = :id
""")
_REPLACE_SECRET = text("""
UPDATE endpoints SET former_secret = CASE WHEN CAST(:until AS timestamptz) IS NULL THEN NULL ELSE secret END,
    former_secret_until = :until, secret = :secret WHERE id = :id
""")
_REPLACE_OWNER = text("UPDATE endpoints SET owner = :owner, keys_revision = :keys_revision WHERE id = :id")
_ACTIVATE = text("""
UPDATE endpoints SET state = 'active', reason = NULL, failing_since = NULL, is_quick = false WHERE id = :id
""")
_HURRY = text("UPDATE deliveries SET due_at = :now WHERE endpoint = :id AND state = 'pending'")
_PAUSE = text("UPDATE endpoints SET state = 'paused' WHERE id = :id AND state = 'active'")
_DELETE = text("DELETE FROM endpoints WHERE id = ANY(CAST(:ids AS uuid[]))")
_FIND_FIRST_PENDING = text("""
SELECT after_cursor FROM deliveries WHERE endpoint = :id AND state = 'pending' ORDER BY number LIMIT 1
""")
_END_PENDING = text("""
UPDATE deliveries SET state = :state, body = NULL, ended_at = :now WHERE endpoint = :id AND state = 'pending'
""")
# What is not delivered is made again if the endpoint goes on one day: it goes on before the first such message.
_END = text("""
UPDATE endpoints SET state = 'ended', reason = :reason, lease = NULL, leased_until = NULL,
    position = coalesce(CAST(:position AS text), position) WHERE id = :id
""")
_MOVE = text("""
UPDATE endpoints SET position = :position, lease = NULL, leased_until = NULL, is_held = false, due_at = :now,
    next_message_at = :now WHERE id = :id
""")
_FIND_START = text("""
SELECT after_cursor FROM deliveries
WHERE endpoint = :id AND after_cursor IS NOT NULL AND (ended_at IS NULL OR ended_at >= :since) ORDER BY number LIMIT 1
""")
# One statement, so that two processes never claim the same: locked rows are passed over.
_CLAIM = text(f"""
UPDATE endpoints SET lease = :lease, leased_until = :until, has_news = false
WHERE id IN (
    SELECT id FROM endpoints WHERE state = 'active' AND is_quick = :is_quick AND due_at <= :now
        AND (leased_until IS NULL OR leased_until <= :now)
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING {_COLUMNS}
""")
_RELEASE = text("""
UPDATE endpoints SET lease = NULL, leased_until = NULL, is_held = :is_held, due_at = CASE
    WHEN has_news AND NOT :is_held THEN least(CAST(:due AS timestamptz), :soon, greatest(:now, next_message_at))
    ELSE :due END
WHERE id = :id AND lease = :lease
""")
_NOTE_NEWS = text("""
UPDATE endpoints SET has_news = true, due_at = CASE
    WHEN is_held THEN due_at
    ELSE least(due_at, CAST(:soon AS timestamptz), greatest(CAST(:now AS timestamptz), next_message_at)) END
WHERE id IN (
    SELECT id FROM endpoints
    WHERE connection = ANY(CAST(:connections AS text[])) AND state = 'active' AND NOT has_news ORDER BY id FOR UPDATE)
""")
_ADVANCE = text("""
UPDATE endpoints SET position = :position, next_message_at = :next, leased_until = :until
WHERE id = :id AND lease = :lease RETURNING id
""")
_ADD_DELIVERY = text("""
INSERT INTO deliveries (endpoint, id, type, state, after_cursor, through_cursor, counts, body, attempts, status, error,
                        made_at, due_at, ended_at)
SELECT e.id, :id, :type, :state, :after, :through, :counts, CAST(:body AS bytea), :attempts, CAST(:status AS integer),
    CAST(:error AS text), CAST(:now AS timestamptz), CAST(:now AS timestamptz), CAST(:ended_at AS timestamptz)
FROM endpoints e WHERE e.id = :endpoint
""")
_LIST_PENDING = text("""
SELECT number, id, attempts, due_at FROM deliveries WHERE endpoint = :endpoint AND state = 'pending' ORDER BY number
""")
_LOAD_BODY = text("SELECT body FROM deliveries WHERE endpoint = :endpoint AND number = :number AND state = 'pending'")
_RECORD_SUCCESS = text("""
UPDATE deliveries SET state = 'delivered', attempts = attempts + 1, status = :status, error = NULL, body = NULL,
    ended_at = :now
WHERE endpoint = :endpoint AND number = :number AND state = 'pending'
""")
_RECORD_FAILURE = text("""
UPDATE deliveries SET attempts = attempts + 1, status = :status, error = :error, due_at = :due
WHERE endpoint = :endpoint AND number = :number AND state = 'pending'
""")
_NOTE_SUCCESS = text("""
UPDATE endpoints SET failing_since = NULL, is_quick = :is_quick, leased_until = :until
WHERE id = :endpoint AND lease = :lease RETURNING id
""")
_NOTE_FAILURE = text("""
UPDATE endpoints SET failing_since = coalesce(failing_since, :now), is_quick = false, leased_until = :until
WHERE id = :endpoint AND lease = :lease RETURNING failing_since
""")
_LIST_DELIVERIES = text("""
SELECT number, id, type, state, after_cursor, through_cursor, counts, attempts, status, error, made_at, due_at, ended_at
FROM deliveries
WHERE endpoint = :endpoint AND (CAST(:before AS bigint) IS NULL OR number < :before)
    AND (CAST(:state AS text) IS NULL OR state = :state)
ORDER BY number DESC LIMIT :limit
""")
_LIST_OLD_SECRETS = text(f"""
SELECT {_COLUMNS} FROM endpoints
WHERE split_part(secret, '.', 1) <> :key OR split_part(former_secret, '.', 1) <> :key LIMIT :limit
""")
_REPLACE_CIPHERTEXT = text("""
UPDATE endpoints SET secret = :secret, former_secret = :former_secret
WHERE id = :id AND secret = :old AND former_secret IS NOT DISTINCT FROM CAST(:old_former AS text)
""")
_PRUNE = text("""
DELETE FROM deliveries WHERE (endpoint, number) IN (
    SELECT endpoint, number FROM deliveries WHERE ended_at < :before ORDER BY ended_at LIMIT :limit)
""")


class LeaseLostError(Exception):
    """Raised when what was to be stored is of an endpoint whose lease another process or nobody has now."""


@dataclass(frozen=True)
class Claim:
    """An endpoint that this process works on, and the lease by which it does."""

    endpoint: WebhookEndpoint
    lease: UUID


class EndpointStore:
    """Stores what merchants' programs have chosen.

    Every method raises `UnavailableError` when the database does not answer.
    """

    def __init__(self, database: OwnDatabase) -> None:
        self._database = database

    async def add(self, endpoint: WebhookEndpoint, now: datetime, *, limit: int) -> bool:
        """Store a new endpoint. Returns False, and stores nothing, if its connection has `limit` endpoints already."""
        values = {
            **_dump_options(endpoint.options),
            "id": endpoint.id,
            "connection": endpoint.connection,
            "epoch": endpoint.epoch,
            "merchant": endpoint.merchant,
            "connection_revision": endpoint.connection_revision,
            "owner": endpoint.owner,
            "keys_revision": endpoint.keys_revision,
            "secret": endpoint.secret,
            "position": endpoint.position.encode(),
            "now": now,
        }
        async with self._database.transaction() as tx:
            await tx.execute(_LOCK_CONNECTION, {"connection": endpoint.connection})
            if (await tx.execute(_COUNT, {"connection": endpoint.connection})).scalar_one() >= limit:
                return False
            await tx.execute(_ADD, values)
            return True

    async def load(self, endpoint: UUID) -> WebhookEndpoint | None:
        """Return an endpoint; None if there is none with this id."""
        async with self._database.transaction() as tx:
            row = (await tx.execute(_LOAD, {"id": endpoint})).one_or_none()
        return _build_endpoint(row) if row is not None else None

    async def list_page(self, connections: Sequence[str], after: tuple[str, UUID], limit: int) -> list[WebhookEndpoint]:
        """Return endpoints of these connections behind the place `after`, sorted by connection and id."""
        values = {"connections": list(connections), "connection": after[0], "id": after[1], "limit": limit}
        async with self._database.transaction() as tx:
            return [_build_endpoint(row) for row in await tx.execute(_LIST, values)]

    async def list_all(self, connections: Iterable[str] | None) -> list[WebhookEndpoint]:
        """Return all endpoints of these connections; of all connections for None."""
        statement = _LIST_ALL if connections is None else _LIST_BOUND
        values = {} if connections is None else {"connections": list(connections)}
        async with self._database.transaction() as tx:
            return [_build_endpoint(row) for row in await tx.execute(statement, values)]

    async def update(
        self,
        endpoint: UUID,
        now: datetime,
        *,
        options: EndpointOptions,
        secret: str | None = None,
        former_until: datetime | None = None,
        owner: tuple[str, int] | None = None,
        is_active: bool | None = None,
    ) -> None:
        """Store what somebody has changed of an endpoint. Messages that wait for it are tried again at once.

        `secret` is a new encrypted one; the former one signs too until `former_until`. `owner` is the new one, with the
        revision of the connection's keys that has it. With `is_active` it goes on, or rests if that is False.
        """
        async with self._database.transaction() as tx:
            await tx.execute(_UPDATE, {**_dump_options(options), "id": endpoint, "now": now})
            await tx.execute(_HURRY, {"id": endpoint, "now": now})
            if secret is not None:
                await tx.execute(_REPLACE_SECRET, {"id": endpoint, "secret": secret, "until": former_until})
            if owner is not None:
                await tx.execute(_REPLACE_OWNER, {"id": endpoint, "owner": owner[0], "keys_revision": owner[1]})
            if is_active is not None:
                await tx.execute(_ACTIVATE if is_active else _PAUSE, {"id": endpoint})

    async def delete(self, endpoints: Iterable[UUID]) -> None:
        """Delete endpoints and all messages to them."""
        async with self._database.transaction() as tx:
            await tx.execute(_DELETE, {"ids": list(endpoints)})

    async def end(self, endpoint: UUID, reason: str, now: datetime, lease: UUID | None = None) -> bool:
        """End an endpoint, and return whether that has ended it. With `lease`, only while that is held."""
        async with self._database.transaction() as tx:
            if (await tx.execute(_LOCK_TO_END, {"id": endpoint, "lease": lease})).one_or_none() is None:
                return False
            first = (await tx.execute(_FIND_FIRST_PENDING, {"id": endpoint})).scalar_one_or_none()
            await tx.execute(_END_PENDING, {"id": endpoint, "state": "failed", "now": now})
            await tx.execute(_END, {"id": endpoint, "reason": reason, "position": first})
            return True

    async def move(self, endpoint: UUID, position: FeedCursor, now: datetime) -> None:
        """Let an endpoint go on from `position`, and forget the messages that are not delivered yet."""
        async with self._database.transaction() as tx:
            await tx.execute(_LOCK, {"id": endpoint})
            await tx.execute(_END_PENDING, {"id": endpoint, "state": "superseded", "now": now})
            await tx.execute(_MOVE, {"id": endpoint, "position": position.encode(), "now": now})

    async def find_start(self, endpoint: WebhookEndpoint, since: datetime) -> FeedCursor:
        """Return the position before the first message that was not delivered before `since`, of those that are kept.

        It is the endpoint's own position if there is none.
        """
        async with self._database.transaction() as tx:
            found = (await tx.execute(_FIND_START, {"id": endpoint.id, "since": since})).scalar_one_or_none()
        return FeedCursor.decode(found) if found is not None else endpoint.position

    async def list_deliveries(
        self, endpoint: UUID, *, before: int | None, state: str | None, limit: int
    ) -> list[Delivery]:
        """Return messages to an endpoint, newest first, those with lower numbers than `before`."""
        values = {"endpoint": endpoint, "before": before, "state": state, "limit": limit}
        async with self._database.transaction() as tx:
            return [_build_delivery(row) for row in await tx.execute(_LIST_DELIVERIES, values)]

    async def add_test(self, endpoint: UUID, message: NewMessage, attempt: Attempt, now: datetime) -> None:
        """Store a test that was sent, with what came of it; nothing if the endpoint was deleted meanwhile."""
        async with self._database.transaction() as tx:
            await _add_delivery(tx, endpoint, message, now, attempt)

    async def list_old_secrets(self, key: str, limit: int) -> list[WebhookEndpoint]:
        """Return some endpoints with a secret that is encrypted under another key than the one with this id."""
        async with self._database.transaction() as tx:
            return [_build_endpoint(row) for row in await tx.execute(_LIST_OLD_SECRETS, {"key": key, "limit": limit})]

    async def replace_ciphertexts(self, endpoint: WebhookEndpoint, secret: str, former_secret: str | None) -> None:
        """Store the endpoint's secrets as they are encrypted now, unless they have changed since they were loaded."""
        values = {
            "id": endpoint.id,
            "secret": secret,
            "former_secret": former_secret,
            "old": endpoint.secret,
            "old_former": endpoint.former_secret,
        }
        async with self._database.transaction() as tx:
            await tx.execute(_REPLACE_CIPHERTEXT, values)

    async def prune(self, now: datetime) -> bool:
        """Delete some deliveries that ended more than `KEPT_DAYS` ago, and return whether there may be more."""
        values = {"before": now - timedelta(days=KEPT_DAYS), "limit": PRUNED_AT_ONCE}
        async with self._database.transaction() as tx:
            return (await tx.execute(_PRUNE, values)).rowcount == PRUNED_AT_ONCE


class DeliveryStore:
    """Stores what the delivering processes do."""

    def __init__(self, database: OwnDatabase) -> None:
        self._database = database

    async def note_news(self, connections: Iterable[str], now: datetime) -> None:
        """Let the endpoints of these connections be looked at, because there are changes or rights have changed."""
        async with self._database.transaction() as tx:
            await tx.execute(
                _NOTE_NEWS, {"connections": list(connections), "now": now, "soon": _add_seconds(now, SOON_SECONDS)}
            )

    async def claim(self, now: datetime, *, is_quick: bool, limit: int) -> list[Claim]:
        """Claim endpoints that are due: those whose last attempt was delivered without delay, or the others."""
        lease = uuid4()
        values = {
            "lease": lease,
            "now": now,
            "until": _add_seconds(now, LEASE_SECONDS),
            "is_quick": is_quick,
            "limit": limit,
        }
        async with self._database.transaction() as tx:
            return [Claim(_build_endpoint(row), lease) for row in await tx.execute(_CLAIM, values)]

    async def release(self, claim: Claim, now: datetime, due: datetime, *, is_held: bool) -> None:
        """Give an endpoint back. It is due at `due`, or with the next change unless it `is_held`."""
        values = {
            "id": claim.endpoint.id,
            "lease": claim.lease,
            "now": now,
            "soon": _add_seconds(now, SOON_SECONDS),
            "due": due,
            "is_held": is_held,
        }
        async with self._database.transaction() as tx:
            await tx.execute(_RELEASE, values)

    async def list_pending(self, endpoint: UUID) -> list[PendingDelivery]:
        """Return the messages to an endpoint that are not delivered, in the order in which they were made."""
        async with self._database.transaction() as tx:
            rows = await tx.execute(_LIST_PENDING, {"endpoint": endpoint})
            return [PendingDelivery(row.number, row.id, row.attempts, row.due_at) for row in rows]

    async def load_body(self, endpoint: UUID, number: int) -> bytes | None:
        """Return what is to be sent; None if that has ended meanwhile."""
        async with self._database.transaction() as tx:
            values = {"endpoint": endpoint, "number": number}
            body: bytes | None = (await tx.execute(_LOAD_BODY, values)).scalar_one_or_none()
        return body

    async def advance(
        self,
        claim: Claim,
        position: FeedCursor,
        now: datetime,
        *,
        message: NewMessage | None = None,
        next_message_at: datetime,
    ) -> None:
        """Store a new message and that the endpoint stands behind it now. Raises `LeaseLostError`."""
        values = {
            "id": claim.endpoint.id,
            "lease": claim.lease,
            "position": position.encode(),
            "next": next_message_at,
            "until": _add_seconds(now, LEASE_SECONDS),
        }
        async with self._database.transaction() as tx:
            if (await tx.execute(_ADVANCE, values)).one_or_none() is None:
                raise LeaseLostError
            if message is not None:
                await _add_delivery(tx, claim.endpoint.id, message, now)

    async def record_success(self, claim: Claim, number: int, attempt: Attempt, now: datetime) -> None:
        """Store that a message was delivered. Raises `LeaseLostError`."""
        own = {
            "endpoint": claim.endpoint.id,
            "lease": claim.lease,
            "is_quick": attempt.seconds <= SLOW_SECONDS,
            "until": _add_seconds(now, LEASE_SECONDS),
        }
        async with self._database.transaction() as tx:
            if (await tx.execute(_NOTE_SUCCESS, own)).one_or_none() is None:
                raise LeaseLostError
            values = {"endpoint": claim.endpoint.id, "number": number, "status": attempt.status, "now": now}
            await tx.execute(_RECORD_SUCCESS, values)

    async def record_failure(
        self, claim: Claim, number: int, attempt: Attempt, now: datetime, due: datetime
    ) -> datetime:
        """Store that an attempt has failed, and return since when all attempts have. Raises `LeaseLostError`."""
        own = {
            "endpoint": claim.endpoint.id,
            "lease": claim.lease,
            "now": now,
            "until": _add_seconds(now, LEASE_SECONDS),
        }
        async with self._database.transaction() as tx:
            failing_since: datetime | None = (await tx.execute(_NOTE_FAILURE, own)).scalar_one_or_none()
            if failing_since is None:
                raise LeaseLostError
            values = {
                "endpoint": claim.endpoint.id,
                "number": number,
                "status": attempt.status,
                "error": attempt.error,
                "due": due,
            }
            await tx.execute(_RECORD_FAILURE, values)
        return failing_since


def _add_seconds(time: datetime, seconds: float) -> datetime:
    return time + timedelta(seconds=seconds)


async def _add_delivery(
    tx: AsyncConnection, endpoint: UUID, message: NewMessage, now: datetime, attempt: Attempt | None = None
) -> None:
    """Store a message; with `attempt`, as one that was sent once and has ended with it."""
    has_ended = attempt is not None
    values = {
        "endpoint": endpoint,
        "id": message.id,
        "type": message.type,
        "state": "pending" if attempt is None else "delivered" if attempt.is_delivered else "failed",
        "after": message.after.encode() if message.after is not None else None,
        "through": message.through.encode() if message.through is not None else None,
        "counts": orjson.dumps(dict(message.counts)).decode(),
        "body": None if has_ended else message.body,
        "attempts": 1 if has_ended else 0,
        "status": attempt.status if attempt is not None else None,
        "error": attempt.error if attempt is not None else None,
        "now": now,
        "ended_at": now if has_ended else None,
    }
    await tx.execute(_ADD_DELIVERY, values)


def _dump_options(options: EndpointOptions) -> Mapping[str, Any]:
    return {
        "url": options.url,
        "description": options.description,
        "resources": list(options.resources) if options.resources is not None else None,
        "is_full": options.is_full,
        "is_ordered": options.is_ordered,
    }


def _build_endpoint(row: Row[Any]) -> WebhookEndpoint:
    resources = tuple(row.resources) if row.resources is not None else None
    return WebhookEndpoint(
        id=row.id,
        connection=row.connection,
        epoch=row.epoch,
        merchant=row.merchant,
        connection_revision=row.connection_revision,
        owner=row.owner,
        keys_revision=row.keys_revision,
        options=EndpointOptions(row.url, row.description, resources, row.is_full, row.is_ordered),
        secret=row.secret,
        former_secret=row.former_secret,
        former_secret_until=row.former_secret_until,
        state=row.state,
        reason=row.reason,
        position=FeedCursor.decode(row.position),
        failing_since=row.failing_since,
        made_at=row.made_at,
        next_message_at=row.next_message_at,
    )


def _build_delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.number,
        id=row.id,
        type=row.type,
        state=row.state,
        after=FeedCursor.decode(row.after_cursor) if row.after_cursor is not None else None,
        through=FeedCursor.decode(row.through_cursor) if row.through_cursor is not None else None,
        counts=orjson.loads(row.counts),
        attempts=row.attempts,
        status=row.status,
        error=row.error,
        made_at=row.made_at,
        due_at=row.due_at,
        ended_at=row.ended_at,
    )
