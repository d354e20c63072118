"""The client of the bucket, which uses the S3 API. This service only reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import IO, TYPE_CHECKING

import aiohttp

from messaging.errors import UnavailableError
from service.bucket_client import CALL_ERRORS, describe_error, open_client
from service.bucket_settings import BucketSettings

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_FAILURES = (*CALL_ERRORS, aiohttp.ClientError)
_BLOCK_BYTES = 1024 * 1024


class BucketReader:
    """Reads objects of one bucket."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self._name = name

    async def fetch(self, key: str, file: IO[bytes]) -> str:
        """Write the object `key` to `file`, a block at a time, and return the SHA-256 of its content (hexadecimal).

        Raises `UnavailableError` if the bucket does not answer, reports an error or has no such object, and `OSError`
        if the disk is full.
        """
        digest = sha256()

        def take(block: bytes) -> None:
            digest.update(block)
            file.write(block)

        blocks = self._read_blocks(key)
        async for block in blocks:
            await asyncio.to_thread(take, block)
        return digest.hexdigest()

    async def check_health(self) -> str | None:
        """Return the error of a call to the bucket as text, or None when the call succeeds."""
        try:
            await self._client.head_bucket(Bucket=self._name)
        except _FAILURES as error:
            return describe_error(error)
        return None

    async def _read_blocks(self, key: str) -> AsyncIterator[bytes]:
        try:
            response = await self._client.get_object(Bucket=self._name, Key=key)
            async with response["Body"]:
                while block := await response["Body"].read(_BLOCK_BYTES):
                    yield block
        except _FAILURES as error:
            raise UnavailableError(f"bucket: {describe_error(error)}") from error


@asynccontextmanager
async def open_bucket(settings: BucketSettings) -> AsyncIterator[BucketReader]:
    """Open a client for the bucket that the settings name. The client is closed when the context ends."""
    async with open_client(settings) as client:
        yield BucketReader(client, settings.spaces_bucket)
