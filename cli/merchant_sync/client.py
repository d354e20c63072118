"""What a visitor of a running stack reads: stored objects, and the sandbox's truth about a shop."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import orjson
from botocore.config import Config
from botocore.exceptions import ClientError, ResponseStreamingError

from merchant_sync import dev_secrets, runtime
from merchant_sync.parts import StackError


@dataclass(frozen=True)
class StoredObject:
    """An object and the facts that travel with it; metadata names in lower case, as stores differ in that."""

    body: bytes
    metadata: dict[str, str]

    @property
    def document(self) -> Any:
        """The JSON in it."""
        return orjson.loads(self.body)


class Visit:
    """The running stack as seen from outside; `given` are the settings that win over the stack's own secrets."""

    def __init__(self, found: runtime.Runtime, given: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        self.gateway_url = found.gateway_url
        self.sandbox_url = found.addresses["SANDBOX_PUBLIC_URL"]
        self._bucket = found.addresses["SPACES_BUCKET"]
        self._objects = boto3.client(
            "s3",
            endpoint_url=found.addresses["SPACES_ENDPOINT_URL"],
            region_name=found.addresses["SPACES_REGION"],
            aws_access_key_id=given.get("SPACES_ACCESS_KEY", secrets["spaces_access_key"]),
            aws_secret_access_key=given.get("SPACES_SECRET_KEY", secrets["spaces_secret_key"]),
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=5,
                read_timeout=30,
                s3={"addressing_style": "path"},
            ),
        )
        self.http = httpx.Client(timeout=30)

    def object(self, key: str) -> StoredObject | None:
        """The object at `key`, None when there is none.

        The local store, unlike S3, breaks off a read while the object is being replaced; then it is read again.
        """
        while True:
            with suppress(ResponseStreamingError):
                return self._read(key)

    def _read(self, key: str) -> StoredObject | None:
        try:
            answer = self._objects.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404", "NotFound"):
                return None
            raise
        metadata = {name.lower(): value for name, value in answer["Metadata"].items()}
        return StoredObject(answer["Body"].read(), metadata)

    def truth(self, shop: str) -> Any:
        """The document of a sandbox shop as it should be stored."""
        return self.http.get(f"{self.sandbox_url}/control/shops/{shop}/document").raise_for_status().json()


def visit(data_dir: Path, given: Mapping[str, str]) -> Visit:
    """The stack that runs on `data_dir`; a StackError when none does."""
    found = runtime.find(data_dir)
    if found is None:
        raise StackError(f"No stack runs on {data_dir}. Start one with `make up`.")
    return Visit(found, given, dev_secrets.load(data_dir / "secrets.json"))
