"""Start the stack of a benchmark in a temporary folder, and use it."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
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
OPEN_STATES = ("queued", "running", "storing", "unknown")
CACHED_JARS = Path(__file__).parents[1] / "data" / "cache"
SETTINGS = {
    "GATEWAY_PORT": "0",
    "DATA_API_PORT": "0",
    # Once a year: only the benchmark itself starts syncs.
    "SHOPIFY_POLL_CRON": "0 0 1 1 *",
    "SANDBOX_RETRY_SCALE": "0.004",
}


@dataclass(frozen=True)
class BenchmarkStack:
    """Uses a running stack like a merchant, an operator and a reader of the bucket."""

    stack: Stack
    visit: Visit
    bucket: Any
    bucket_name: str

    @property
    def shops(self) -> SandboxShops:
        """The shops of the sandbox, and the way to connect them."""
        return SandboxShops(self.visit)

    def make_shop(self, **recipe: Any) -> str:
        """Create a shop in the sandbox; return its full domain."""
        shop = f"bench-{uuid4().hex[:8]}.myshopify.com"
        self.shops.call("POST", "", {"shop": shop, "seed": 7, **recipe})
        return shop

    def request_control(
        self, shop: str, method: str, path: str, body: dict[str, Any] | None = None, **query: Any
    ) -> Any:
        """Send a request about a shop to the sandbox's control endpoint; return the JSON of its response."""
        return self.shops.call(method, f"/{shop}{path}", body, **query)

    def connect_and_sync(self, shop: str, within: float = 300.0) -> ConnectedShop:
        """Connect a shop, and wait up to `within` seconds for its first object and the end of its webhook probe."""
        connected = self.shops.connect(shop)
        wait_until(lambda: connected.load_sync()["state"] not in OPEN_STATES or None, within)
        wait_until(lambda: self.visit.load_object(connected.key), within)
        wait_until(lambda: connected.load_sync()["webhook_test"]["status"] != "pending" or None, 30)
        return connected

    def fetch_truth(self, shop: str) -> bytes:
        """Fetch the truth from the sandbox: the bytes that the shop's object must have."""
        return self.visit.http.get(f"{self.visit.sandbox_url}/control/shops/{shop}/document").raise_for_status().content

    def find_difference(self, stored: StoredObject | None, truth: bytes) -> str | None:
        """Describe the first difference between an object and the truth. Return None when their bytes are equal."""
        if stored is None:
            return "there is no object"
        if stored.body == truth:
            return None
        return find_difference(stored.document, StoredObject(truth, {}).document) or "the same data in other bytes"

    def read_metadata(self, key: str) -> dict[str, str]:
        """Read the metadata of an object, for example its hash `sha256`. Empty when there is no object."""
        try:
            metadata = self.bucket.head_object(Bucket=self.bucket_name, Key=key)["Metadata"]
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return {}
            raise
        return {name.lower(): value for name, value in metadata.items()}

    def put_object(self, key: str, body: bytes) -> None:
        """Store an object without metadata, as the simple script of the latency benchmark does."""
        self.bucket.put_object(Bucket=self.bucket_name, Key=key, Body=body)

    def is_idle(self, shop: str) -> bool:
        """Return whether all syncs of the shop have ended."""
        sql = (
            "SELECT 1 FROM scheduler.syncs WHERE connection = $1 AND state IN ('queued', 'running', 'storing') LIMIT 1"
        )
        return not self.select_rows(sql, f"shopify:{shop}")

    def select_rows(self, sql: str, *values: object) -> list[Any]:
        """Return the rows of a query, as the superuser: it can read the schemas of all services."""
        return asyncio.run(_select_rows(self.stack.build_admin_database_url(), sql, values))

    def start_poll(self, shop: str) -> None:
        """Make the next poll of the shop due, so that the scheduler starts a full sync."""
        sql = (
            "UPDATE scheduler.connections SET next_poll_at = now(), poll_slot = now() WHERE connection = $1 RETURNING 1"
        )
        self.select_rows(sql, f"shopify:{shop}")

    def list_pids(self) -> dict[str, int]:
        """Return the process ids of all running parts, by the name of the part."""
        return {name: pid for name in self.stack.names if (pid := self.stack.get_pid(name)) is not None}


async def _select_rows(url: str, sql: str, values: tuple[object, ...]) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(sql, *values))
    finally:
        await connection.close()


def _create_bucket_client(stack: Stack) -> tuple[Any, str]:
    """Create an S3 client for the stack's object store. Return the client and the name of the bucket."""
    shared = stack.environment.build_unfiltered_settings()
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
def run_benchmark_stack(settings: Mapping[str, str] | None = None) -> Iterator[BenchmarkStack]:
    """Run a stack of all parts in a temporary folder, with `settings` too. The folder is deleted afterwards."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    given = {**SETTINGS, **(settings or {})}
    jars = None if "JGO_CACHE_DIR" in os.environ else CACHED_JARS
    with (
        TemporaryDirectory(prefix="merchant-sync-bench-") as folder,
        Stack(Path(folder) / "data", given=given, wanted=parts.ALL, auto_restart=False, cache_dir=jars) as stack,
    ):
        visit = Visit(access.resolve_access(stack.data_dir, stack.given))
        visit.http = httpx.Client(timeout=600)
        try:
            yield BenchmarkStack(stack, visit, *_create_bucket_client(stack))
        finally:
            visit.http.close()


def wait_until(ask: Callable[[], Answer | None], within: float, every: float = 0.05) -> Answer:
    """Call `ask` until it returns something other than None, with a pause of `every` seconds.

    Raises TimeoutError when there is no answer after `within` seconds.
    """
    deadline = time.monotonic() + within
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:.0f} s")
        time.sleep(every)
    return answer
