"""Uploads the documents of merchants, and deletes the documents of merchants without a connection."""

import hashlib
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from messaging.errors import UnavailableError
from spaces_writer.merchant_document import LOGGED_KEY, build_merchant_document
from spaces_writer.object_keys import build_merchant_key
from spaces_writer.store import merchants
from spaces_writer.store.merchants import DueDocument

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

        Returns False if the bucket is unavailable, if another process updates the document, or if it is not due. A lock
        lets one process at a time update a document. A change during the update raises the document's version, so that
        the document is due again. Raises `UnavailableError` if the database is unavailable.
        """
        async with self._database.transaction() as tx:
            due = await merchants.lock_due_document_if_free(tx, merchant)
            if due is None:
                return False
            connections = await merchants.list_connections(tx, merchant)
            try:
                if connections:
                    await self._upload(tx, merchant, due, build_merchant_document(merchant, connections))
                else:
                    await self._bucket.delete(build_merchant_key(merchant))
                    await merchants.delete(tx, merchant, due.version)
                    log.info("object deleted", cause="merchant", key=LOGGED_KEY)
            except UnavailableError as error:  # of the bucket: the database's is raised where the transaction ends
                log.warning("object update failed", cause="merchant", key=LOGGED_KEY, reason=str(error))
                return False
        return True

    async def _upload(self, tx: "AsyncConnection", merchant: UUID, due: DueDocument, body: bytes) -> None:
        sha256, event = hashlib.sha256(body).hexdigest(), "object unchanged"
        if due.sha256 != sha256:
            metadata, event = {"merchant": str(merchant), "sha256": sha256}, "object uploaded"
            await self._bucket.put(build_merchant_key(merchant), body, metadata)
        await merchants.record_upload(tx, merchant, due.version, sha256)
        log.info(event, cause="merchant", key=LOGGED_KEY, bytes=len(body))
