"""Uploads the documents of merchants, and deletes the documents of merchants without a connection."""

import hashlib
import time
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from messaging.errors import UnavailableError
from spaces_writer.merchant_document import LOGGED_KEY, build_merchant_document
from spaces_writer.object_keys import build_merchant_key
from spaces_writer.pacing import compute_failure_pause
from spaces_writer.store import merchants
from spaces_writer.store.merchants import DueDocument
from spaces_writer.upload_failures import describe_failure
from spaces_writer.use_cases.document_states import publish_document_states

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from database.pool import Database
    from spaces_writer.client import BucketClient

log = structlog.get_logger()


class MerchantDocuments:
    """Keeps the merchants' documents in the bucket up to date. Each document lists the connections of one merchant."""

    def __init__(self, database: "Database", bucket: "BucketClient") -> None:
        self._database = database
        self._bucket = bucket

    async def put_or_delete_document(self, merchant: UUID) -> bool:
        """Upload the merchant's document if its bytes have changed. Delete it if the merchant has no connection.

        Returns False if this fails, if another process updates the document, or if it is not due. A failure is
        published and tried again with growing pauses. A lock lets one process at a time update a document. A change
        during the update raises the document's version, so that the document is due again. Raises `UnavailableError` if
        the database is unavailable.
        """
        async with self._database.transaction() as tx:
            due = await merchants.lock_due_document_if_free(tx, merchant)
            if due is None:
                return False
            connections = await merchants.list_connections(tx, merchant)
            try:
                body = build_merchant_document(merchant, connections) if connections else None
                await self._put_or_delete(merchant, due, body)
            except (UnavailableError, ValueError) as error:
                await _record_failure(tx, merchant, due, describe_failure(error))
                return False
            await _record_success(tx, merchant, due, body)
        return True

    async def _put_or_delete(self, merchant: UUID, due: DueDocument, body: bytes | None) -> None:
        event, key = "object unchanged", build_merchant_key(merchant)
        if body is None:
            event = "object deleted"
            await self._bucket.delete(key)
        elif due.sha256 != _compute_hash(body):
            event = "object uploaded"
            await self._bucket.put(key, body, {"merchant": str(merchant), "sha256": _compute_hash(body)})
        log.info(event, cause="merchant", key=LOGGED_KEY, bytes=len(body or b""))


def _compute_hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def _record_success(tx: "AsyncConnection", merchant: UUID, due: DueDocument, body: bytes | None) -> None:
    if body is None:
        await merchants.delete(tx, merchant, due.version)
    else:
        await merchants.record_upload(tx, merchant, due.version, _compute_hash(body))
    await publish_document_states(tx, await merchants.delete_shown_changes(tx, merchant, due.version))


async def _record_failure(tx: "AsyncConnection", merchant: UUID, due: DueDocument, reason: str) -> None:
    await merchants.record_failure(tx, merchant, reason, time.time() + compute_failure_pause(due.failures))
    await publish_document_states(tx, await merchants.list_changed_connections(tx, merchant))
    log.warning("object update failed", cause="merchant", key=LOGGED_KEY, reason=reason)
