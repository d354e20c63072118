"""The bucket, in S3's own words."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from messaging import tracing
from spaces_writer.settings import WriterSettings

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


class BucketAway(Exception):
    """The bucket did not take or give the object; the message says what it answered. Try again later."""


class Bucket:
    """One bucket. Objects are private JSON; checksums are sent only where the protocol requires them, because
    Ceph-based stores refuse the newer default."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self._name = name

    async def put(self, key: str, body: IO[bytes] | bytes, metadata: Mapping[str, str]) -> None:
        """Store the object. Raises `BucketAway`."""
        about = {"rpc.system": "aws-api", "rpc.service": "S3", "rpc.method": "PutObject", "http.request.method": "PUT"}
        try:
            with tracing.start_span("S3/PutObject", "client", about):
                await self._client.put_object(
                    Bucket=self._name, Key=key, Body=body, Metadata=dict(metadata), ContentType="application/json"
                )
        except (ClientError, BotoCoreError, OSError, TimeoutError) as error:
            raise BucketAway(_words(error)) from error

    async def metadata(self, key: str) -> Mapping[str, str] | None:
        """The object's own metadata, names in lower case (stores differ in that), or None when there is no such object.

        Raises `BucketAway`.
        """
        try:
            answer = await self._client.head_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise BucketAway(_words(error)) from error
        except (BotoCoreError, OSError, TimeoutError) as error:
            raise BucketAway(_words(error)) from error
        return {name.lower(): value for name, value in answer.get("Metadata", {}).items()}

    async def delete(self, key: str) -> None:
        """Take the object out of the bucket; one that is not there is out already. Raises `BucketAway`."""
        try:
            await self._client.delete_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "NoSuchKey":
                raise BucketAway(_words(error)) from error
        except (BotoCoreError, OSError, TimeoutError) as error:
            raise BucketAway(_words(error)) from error

    async def check(self) -> str | None:
        """What is wrong with the bucket, or None when it answers."""
        try:
            await self._client.head_bucket(Bucket=self._name)
        except (ClientError, BotoCoreError, OSError, TimeoutError) as error:
            return _words(error)
        return None


def spooled() -> IO[bytes]:
    """A temporary file on disk for a document on its way to the bucket; it goes when it is closed."""
    return tempfile.TemporaryFile(prefix="snapshot-")


def _words(error: Exception) -> str:
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return f"{said.get('Code', '?')}: {said.get('Message', '')}"[:300]
    return f"{type(error).__name__}: {error}"[:300]


@asynccontextmanager
async def open_bucket(settings: WriterSettings) -> AsyncIterator[Bucket]:
    """A client for the bucket that the settings name."""
    config = AioConfig(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"max_attempts": 3, "mode": "standard"},
        connect_timeout=5,
        read_timeout=60,
        s3={"addressing_style": "path"},
    )
    session = aioboto3.Session(
        aws_access_key_id=settings.spaces_access_key,
        aws_secret_access_key=settings.spaces_secret_key,
        region_name=settings.spaces_region,
    )
    async with session.client("s3", endpoint_url=settings.spaces_endpoint_url, config=config) as client:
        yield Bucket(client, settings.spaces_bucket)
