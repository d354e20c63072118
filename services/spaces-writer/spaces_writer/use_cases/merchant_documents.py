"""Uploads the documents of merchants, and deletes those of merchants without a connection."""

import hashlib
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from messaging.errors import UnavailableError
from spaces_writer.merchant_document import LOGGED_KEY, build_merchant_document, build_object_key
from spaces_writer.store import merchants
from spaces_writer.store.merchants import DueDocument

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from database.pool import Database
    from spaces_writer.client import BucketClient

log = structlog.get_logger()


class MerchantDocuments:
    """The merchants' documents in the bucket."""

    def __init__(self, database: "Database", bucket: "BucketClient") -> None:
        self._database = database
        self._bucket = bucket

    async def update(self, merchant: UUID) -> bool:
        """Upload the merchant's document if its bytes differ, or delete that of a merchant without a connection.

        Returns whether that succeeded. One process at a time does it, under a lock that nothing else waits for. A
        change that comes meanwhile raises the version, and the document is updated once more. Raises
        `UnavailableError`.
        """
        async with self._database.transaction() as tx:
            due = await merchants.lock(tx, merchant)
            if due is None:
                return False
            connections = await merchants.list_connections(tx, merchant)
            try:
                if connections:
                    await self._upload(tx, merchant, due, build_merchant_document(merchant, connections))
                else:
                    await self._bucket.delete(build_object_key(merchant))
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
            await self._bucket.put(build_object_key(merchant), body, metadata)
        await merchants.record_upload(tx, merchant, due.version, sha256)
        log.info(event, cause="merchant", key=LOGGED_KEY, bytes=len(body))
