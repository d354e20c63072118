"""What tests of several packages share: real parts of their own, with nothing in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from merchant_sync.stack import Stack

JARS = Path(__file__).parent / "data" / "cache"
"""Kafka's jars are fetched once a checkout."""


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of Postgres alone, with the roles and schemas of every owner."""
    with Stack(tmp_path_factory.mktemp("postgres") / "data", wanted={"postgres"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap servers of a Kafka alone."""
    with Stack(tmp_path_factory.mktemp("kafka") / "data", wanted={"kafka"}, cache_dir=JARS) as stack:
        yield stack.environment.addresses()["KAFKA_BOOTSTRAP_SERVERS"]
