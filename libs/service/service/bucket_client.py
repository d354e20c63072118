"""Opens a client of the bucket, which uses the S3 API, and describes its errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from service.bucket_settings import BucketSettings

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

CALL_ERRORS = (ClientError, BotoCoreError, OSError, TimeoutError)
"""What a call raises when the bucket does not answer or reports an error."""


def describe_error(error: Exception) -> str:
    """Return an error of a call as text: the code and message of an answer, otherwise the error itself."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return f"{details.get('Code', '?')}: {details.get('Message', '')}"[:300]
    return f"{type(error).__name__}: {error}"[:300]


@asynccontextmanager
async def open_client(settings: BucketSettings) -> AsyncIterator["S3Client"]:
    """Open a client of the store that the settings name. It is closed when the context ends."""
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
        yield client
