"""What tests of several packages share: real parts of their own, with nothing in them."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from merchant_sync.stack import Stack

JARS = Path(__file__).parent / "data" / "cache"
"""Kafka's jars are fetched once a checkout."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--containers`: the integration tests' Kafka, Postgres and S3 server run in containers."""
    parser.addoption("--containers", action="store_true", help="Kafka, Postgres and the S3 server in containers")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Stack]:
    """A stack of Postgres alone, with the roles and schemas of every owner."""
    with TemporaryDirectory(prefix="merchant-sync-") as folder, Stack(Path(folder), wanted={"postgres"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap servers of a Kafka alone."""
    with TemporaryDirectory() as folder, Stack(Path(folder), wanted={"kafka"}, cache_dir=JARS) as stack:
        yield stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"]
