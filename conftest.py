"""Fixtures that tests of several packages share: Postgres and Kafka, started for the test session and empty."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from merchant_sync.stack import Stack

# The same examples in every run, however busy the machine is: a property test fails for everybody or for nobody.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

CACHED_JARS = Path(__file__).parent / "data" / "cache"
"""Where Kafka's jars are kept, so that they are downloaded only once."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--containers`, which runs Kafka, Postgres and the S3 server of the integration tests in containers."""
    parser.addoption("--containers", action="store_true", help="Kafka, Postgres and the S3 server in containers")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Stack]:
    """Run Postgres only, with the roles and schemas of every service."""
    with TemporaryDirectory(prefix="merchant-sync-") as folder, Stack(Path(folder), wanted={"postgres"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Run Kafka only; yield its bootstrap servers."""
    with TemporaryDirectory() as folder, Stack(Path(folder), wanted={"kafka"}, cache_dir=CACHED_JARS) as stack:
        yield stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
