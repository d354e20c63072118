"""One whole stack for all integration tests: the same processes that `make up` starts, each test with a shop of its own."""

from collections.abc import Iterator

import pytest

from conftest import JARS
from merchant_sync.stack import Stack
from world import World

SETTINGS = {
    "GATEWAY_PORT": "0",
    "POLL_SPREAD_SECONDS": "0",
    # Far away: tests that want a poll bring it near by themselves.
    "SHOPIFY_POLL_CRON": "0 0 1 1 *",
    # The sandbox's eight retries of a webhook take seconds instead of hours.
    "SANDBOX_RETRY_SCALE": "0.004",
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, Postgres, the object store, the sandbox and every service."""
    folder = tmp_path_factory.mktemp("stack") / "data"
    with Stack(folder, given=SETTINGS, auto_restart=False, cache_dir=JARS) as running:
        yield running


@pytest.fixture
def world(stack: Stack) -> Iterator[World]:
    """The running stack as a merchant, an operator and a reader of the bucket see it; whatever is down comes back."""
    with World(stack) as seen:
        yield seen
        seen.bring_everything_back()
