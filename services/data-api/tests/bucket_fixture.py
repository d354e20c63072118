"""A bucket in a real object store, with the documents that a spaces-writer would put there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import IO

import aioboto3

from contracts.events import DataStored, Upload
from data_api.client.bucket import BucketReader, open_bucket
from merchant_sync.stack import Stack
from service.bucket_settings import BucketSettings


class CountedBucket:
    """Reads the bucket as the service does. It counts the reads, and can be away, or hold a read until `release`."""

    def __init__(self, reader: BucketReader, client: object, name: str) -> None:
        self._reader, self._client, self._name = reader, client, name
        self.reads = 0
        self.is_away = False
        self.release: asyncio.Event | None = None
        self.reading = asyncio.Event()

    async def fetch(self, key: str, file: IO[bytes]) -> str:
        self.reads += 1
        self.reading.set()
        if self.release is not None:
            await self.release.wait()
        return await self._reader.fetch("none/" + key if self.is_away else key, file)

    async def put(self, key: str, document: bytes) -> str:
        """Put a document into the bucket, and return its SHA-256."""
        await self._client.put_object(Bucket=self._name, Key=key, Body=document)  # type: ignore[attr-defined]
        return sha256(document).hexdigest()


@asynccontextmanager
async def open_counted_bucket(store: Stack) -> AsyncIterator[CountedBucket]:
    """Open the bucket of a stack that runs an object store."""
    given = store.environment.build_unfiltered_settings()
    names = ("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY", "SPACES_BUCKET", "SPACES_ENDPOINT_URL", "SPACES_REGION")
    settings = BucketSettings(_env_file=None, **{name.lower(): given[name] for name in names})
    session = aioboto3.Session(
        aws_access_key_id=settings.spaces_access_key, aws_secret_access_key=settings.spaces_secret_key
    )
    async with (
        open_bucket(settings) as reader,
        session.client("s3", endpoint_url=settings.spaces_endpoint_url, region_name="us-east-1") as client,
    ):
        yield CountedBucket(reader, client, settings.spaces_bucket)


def make_upload(connection: str, key: str, document: bytes, sequence: int = 1, **fields: object) -> DataStored:
    """Build the news of an upload."""
    upload = Upload.model_validate(
        {
            "key": key,
            "outcome": "uploaded",
            "sequence": sequence,
            "sha256": sha256(document).hexdigest(),
            "bytes": len(document),
            "records": 2,
            "stored_at": 1_796_000_000_000,
            **fields,
        }
    )
    return DataStored(connection=connection, epoch=1, sequence=sequence, upload=upload)
