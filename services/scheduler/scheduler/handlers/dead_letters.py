"""What could not be handled."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from messaging.outbox import Transaction
from scheduler.handlers.endings import end
from scheduler.metrics import Count, Happened


class DeadLettersHandler:
    """A dead letter fails the syncs that its message names."""

    def __init__(self, transaction: Transaction, *, count: Count) -> None:
        self._transaction = transaction
        self._count = count

    async def __call__(self, connection: str, events: Sequence[dict[str, Any]]) -> None:
        """Fail what the messages name; those that name nothing are left to the operator."""
        for event in events:
            sync_ids = named_syncs(event)
            if sync_ids:
                happened = Happened()
                async with self._transaction() as tx:
                    reason = "a message of this sync could not be handled and was dead-lettered"
                    await end(tx, happened, connection, 0, sync_ids, "failed", None, reason)
                self._count(happened)


def named_syncs(message: dict[str, Any]) -> list[UUID]:
    """The syncs that a message of any topic names, as far as its body can be read."""
    verdicts = [verdict for verdict in _list(message.get("results")) if isinstance(verdict, dict)]
    named = [message.get("sync_id"), message.get("read_id"), *_list(message.get("sync_ids"))]
    named += [sync_id for verdict in verdicts for sync_id in _list(verdict.get("sync_ids"))]
    return [UUID(name) for name in named if isinstance(name, str) and _UUID.fullmatch(name)]


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
