"""The client of the bucket, which uses the S3 API."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING

import structlog
from botocore.exceptions import ClientError

from messaging import tracing
from messaging.errors import UnavailableError
from service.bucket_client import CALL_ERRORS, describe_error, open_client
from spaces_writer.settings import WriterSettings

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

log = structlog.get_logger()


class BucketClient:
    """Stores, inspects and deletes objects in one bucket. The objects are JSON, and are private.

    Every method raises `UnavailableError` if the bucket does not answer or reports an error, except `check_health` and
    `log_error_if_unavailable`.
    """

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self._name = name

    async def put(self, key: str, body: IO[bytes] | bytes, metadata: Mapping[str, str]) -> None:
        """Store `body` as the object `key`, and replace an existing object."""
        attributes = {
            "rpc.system": "aws-api",
            "rpc.service": "S3",
            "rpc.method": "PutObject",
            "http.request.method": "PUT",
        }
        try:
            with tracing.start_span("S3/PutObject", "client", attributes):
                await self._client.put_object(
                    Bucket=self._name, Key=key, Body=body, Metadata=dict(metadata), ContentType="application/json"
                )
        except CALL_ERRORS as error:
            raise UnavailableError(describe_error(error)) from error

    async def load_metadata(self, key: str) -> Mapping[str, str] | None:
        """Return the metadata that was stored with the object, or None if there is no such object.

        The names in the metadata are in lower case, because object stores differ in the case in which they return them.
        """
        try:
            response = await self._client.head_object(Bucket=self._name, Key=key)
        except CALL_ERRORS as error:
            if (
                isinstance(error, ClientError)
                and error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404
            ):
                return None
            raise UnavailableError(describe_error(error)) from error
        return {name.lower(): value for name, value in response.get("Metadata", {}).items()}

    async def delete(self, key: str) -> None:
        """Delete the object. Do nothing if there is no such object."""
        try:
            await self._client.delete_object(Bucket=self._name, Key=key)
        except CALL_ERRORS as error:
            if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") == "NoSuchKey":
                return
            raise UnavailableError(describe_error(error)) from error

    async def log_error_if_unavailable(self, timeout_seconds: float) -> None:
        """Log an error when the bucket does not answer within `timeout_seconds`, or answers with an error.

        It is for the start of the service: a wrong setting is then seen at once, not only when an upload has failed.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                reason = await self.check_health()
        except TimeoutError:
            reason = f"no answer within {timeout_seconds:.0f} s"
        if reason is not None:
            endpoint = self._client.meta.endpoint_url
            log.error("bucket unavailable", bucket=self._name, endpoint=endpoint, reason=reason)

    async def check_health(self) -> str | None:
        """Return the error of a call to the bucket as text, or None when the call succeeds."""
        try:
            await self._client.head_bucket(Bucket=self._name)
        except CALL_ERRORS as error:
            return describe_error(error)
        return None


def open_temporary_file() -> IO[bytes]:
    """Open a temporary file on disk that holds a document until its upload. Closing the file deletes it.

    Raises `OSError` if the disk is full or cannot be used; so does writing to the file.
    """
    return tempfile.TemporaryFile(prefix="snapshot-")


@asynccontextmanager
async def open_bucket(settings: WriterSettings) -> AsyncIterator[BucketClient]:
    """Open a client for the bucket that the settings name. The client is closed when the context ends."""
    async with open_client(settings) as client:
        yield BucketClient(client, settings.spaces_bucket)
