"""The stack that a benchmark runs on, fresh in a folder of its own, and what a benchmark asks of it."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import boto3
import httpx
import structlog
from botocore.config import Config
from botocore.exceptions import ClientError

from merchant_sync import access, parts
from merchant_sync.client import StoredObject, Visit
from merchant_sync.comparison import find_difference
from merchant_sync.demo.shopify_sandbox import ConnectedShop, SandboxShops
from merchant_sync.stack import Stack

Answer = TypeVar("Answer")
OPEN = ("queued", "running", "unknown")
JARS = Path(__file__).parents[1] / "data" / "cache"
SETTINGS = {
    "GATEWAY_PORT": "0",
    # Far away: nothing but the benchmark starts anything.
    "SHOPIFY_POLL_CRON": "0 0 1 1 *",
    "SANDBOX_RETRY_SCALE": "0.004",
}


@dataclass(frozen=True)
class Stand:
    """A running stack as its visitors and its operator see it."""

    stack: Stack
    visit: Visit
    bucket: Any
    bucket_name: str

    @property
    def shops(self) -> SandboxShops:
        """The sandbox's shops."""
        return SandboxShops(self.visit)

    def make_shop(self, **recipe: Any) -> str:
        """A new shop of the sandbox; its full domain."""
        shop = f"bench-{uuid4().hex[:8]}.myshopify.com"
        self.shops.call("POST", "", {"shop": shop, "seed": 7, **recipe})
        return shop

    def tell(self, shop: str, method: str, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """Tell the sandbox something about a shop."""
        return self.shops.call(method, f"/{shop}{path}", body, **query)

    def synced(self, shop: str, within: float = 300.0) -> ConnectedShop:
        """Connect a shop and wait for its first object and for the end of its self-test."""
        connected = self.shops.connect(shop)
        until(lambda: connected.load_sync()["state"] not in OPEN or None, within)
        until(lambda: self.visit.load_object(connected.key), within)
        until(lambda: connected.load_sync()["webhook_test"]["status"] != "pending" or None, 30)
        return connected

    def truth(self, shop: str) -> bytes:
        """The bytes that the shop's object must have."""
        return self.visit.http.get(f"{self.visit.sandbox_url}/control/shops/{shop}/document").raise_for_status().content

    def difference(self, stored: StoredObject | None, truth: bytes) -> str | None:
        """Where an object and the truth part; None when their bytes are equal."""
        if stored is None:
            return "there is no object"
        if stored.body == truth:
            return None
        return find_difference(stored.document, StoredObject(truth, {}).document) or "the same data in other bytes"

    def head(self, key: str) -> dict[str, str]:
        """The metadata of an object, its hash under `sha256`; empty when there is none."""
        try:
            found = self.bucket.head_object(Bucket=self.bucket_name, Key=key)["Metadata"]
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return {}
            raise
        return {name.lower(): value for name, value in found.items()}

    def put(self, key: str, body: bytes) -> None:
        """Store an object as a script would."""
        self.bucket.put_object(Bucket=self.bucket_name, Key=key, Body=body)

    def quiet(self, shop: str) -> bool:
        """Whether nothing of the shop is queued or running."""
        sql = "SELECT 1 FROM scheduler.syncs WHERE connection = $1 AND state IN ('queued', 'running') LIMIT 1"
        return not self.rows(sql, f"shopify:{shop}")

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Rows of any schema."""
        return asyncio.run(_rows(self.stack.build_admin_database_url(), sql, values))

    def pids(self) -> dict[str, int]:
        """The process of each part that runs."""
        return {name: pid for name in self.stack.names if (pid := self.stack.get_pid(name)) is not None}


async def _rows(url: str, sql: str, values: tuple[object, ...]) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(sql, *values))
    finally:
        await connection.close()


def _bucket(stack: Stack) -> tuple[Any, str]:
    """An S3 client of the benchmark's own, and the bucket's name."""
    shared = stack.environment.build_shared_settings()
    client = boto3.client(
        "s3",
        endpoint_url=shared["SPACES_ENDPOINT_URL"],
        region_name=shared["SPACES_REGION"],
        aws_access_key_id=shared["SPACES_ACCESS_KEY"],
        aws_secret_access_key=shared["SPACES_SECRET_KEY"],
        config=Config(request_checksum_calculation="when_required", s3={"addressing_style": "path"}),
    )
    return client, shared["SPACES_BUCKET"]


@contextmanager
def running() -> Iterator[Stand]:
    """A stack of all parts, nothing of which is left afterwards."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    jars = None if "JGO_CACHE_DIR" in os.environ else JARS
    with (
        TemporaryDirectory(prefix="merchant-sync-bench-") as folder,
        Stack(Path(folder) / "data", given=SETTINGS, wanted=parts.ALL, auto_restart=False, cache_dir=jars) as stack,
    ):
        seen = Visit(access.resolve(stack.data_dir, stack.given))
        seen.http = httpx.Client(timeout=600)
        try:
            yield Stand(stack, seen, *_bucket(stack))
        finally:
            seen.http.close()


def until(ask: Callable[[], Answer | None], within: float, every: float = 0.05) -> Answer:
    """Ask until there is an answer; a TimeoutError when there is none in time."""
    deadline = time.monotonic() + within
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:.0f} s")
        time.sleep(every)
    return answer
