"""Consumes the dead letter topics."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
import structlog

from messaging.outbox import Transaction
from scheduler.metrics import RecordCounts, TransactionCounts
from scheduler.use_cases.finish_syncs import finish_syncs

log = structlog.get_logger()


class DeadLettersHandler:
    """Fails the syncs that are named in a dead letter, which is a message that a service could not handle."""

    def __init__(self, transaction: Transaction, *, record_counts: RecordCounts) -> None:
        self._transaction = transaction
        self._record_counts = record_counts

    async def __call__(self, connection: str, events: Sequence[dict[str, Any]]) -> None:
        """Fail the syncs that the dead letters name. An operator must handle the dead letters that name no sync.

        The note that an operator has discarded a dead letter is logged with its reason.
        """
        for event in events:
            if "discarded" in event:
                position, reason = event["discarded"], event.get("reason")
                log.info("dead letter discarded", connection=connection, position=position, reason=reason)
            sync_ids = find_sync_ids(event)
            if sync_ids:
                counts = TransactionCounts()
                async with self._transaction() as tx:
                    reason = "a message of this sync could not be handled and was dead-lettered"
                    await finish_syncs(tx, counts, connection, 0, sync_ids, "failed", None, reason)
                self._record_counts(counts)


def parse_dead_letter(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a dead letter, or an empty dict if the body is no JSON object.

    Invalid JSON raises no error, because it may be the reason why the message was dead-lettered.
    """
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}


def find_sync_ids(message: dict[str, Any]) -> list[UUID]:
    """Return the ids of the syncs that a message of any topic names. Invalid values are left out."""
    results = [result for result in _get_list(message.get("results")) if isinstance(result, dict)]
    values = [message.get("sync_id"), message.get("read_id"), *_get_list(message.get("sync_ids"))]
    values += [sync_id for result in results for sync_id in _get_list(result.get("sync_ids"))]
    return [UUID(value) for value in values if isinstance(value, str) and _UUID.fullmatch(value)]


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _get_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
