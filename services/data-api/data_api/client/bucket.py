"""The client of the bucket, which uses the S3 API. This service only reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import IO, TYPE_CHECKING

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from messaging.errors import UnavailableError
from service.bucket_settings import BucketSettings

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_FAILURES = (ClientError, BotoCoreError, aiohttp.ClientError, OSError, TimeoutError)
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
            return _describe(error)
        return None

    async def _read_blocks(self, key: str) -> AsyncIterator[bytes]:
        try:
            response = await self._client.get_object(Bucket=self._name, Key=key)
            async with response["Body"]:
                while block := await response["Body"].read(_BLOCK_BYTES):
                    yield block
        except _FAILURES as error:
            raise UnavailableError(f"bucket: {_describe(error)}") from error


def _describe(error: Exception) -> str:
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return f"{details.get('Code', '?')}: {details.get('Message', '')}"[:300]
    return f"{type(error).__name__}: {error}"[:300]


@asynccontextmanager
async def open_bucket(settings: BucketSettings) -> AsyncIterator[BucketReader]:
    """Open a client for the bucket that the settings name. The client is closed when the context ends."""
    config = AioConfig(
        signature_version="s3v4",
        # Ceph-based stores refuse checksums where the protocol does not require them, which is botocore's default.
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
    # None: botocore trusts the authorities that it comes with, or those of AWS_CA_BUNDLE.
    verify = settings.spaces_ca_file or None
    async with session.client("s3", endpoint_url=settings.spaces_endpoint_url, verify=verify, config=config) as client:
        yield BucketReader(client, settings.spaces_bucket)
