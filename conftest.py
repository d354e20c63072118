"""Fixtures that tests of several packages share: Postgres and Kafka, started for the test session and empty."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from certificates import Authority
from merchant_sync import object_store
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


@pytest.fixture(scope="session")
def stored_objects() -> Iterator[Stack]:
    """Run the object store only, with an empty bucket."""
    with TemporaryDirectory(prefix="merchant-sync-") as folder, Stack(Path(folder), wanted={"spaces"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def tls_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run an object store over TLS, with a certificate of an authority that nobody knows; yield its settings."""
    folder = tmp_path_factory.mktemp("tls-bucket")
    authority = Authority(folder, "store-authority")
    pair = authority.sign("store")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    part = object_store.build_part(folder / "objects", port, "elsewhere", "foreign-key", "foreign-secret")
    part.prepare()
    command = [*part.command, "--cert", str(pair.cert), "--key", str(pair.key)]
    store = subprocess.Popen(command, env={**os.environ, **part.env}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not part.is_healthy():
        assert time.monotonic() < deadline and store.poll() is None, "the store does not start"
        time.sleep(0.05)
    yield {
        "SPACES_ENDPOINT_URL": f"https://127.0.0.1:{port}",
        "SPACES_BUCKET": "elsewhere",
        "SPACES_ACCESS_KEY": "foreign-key",
        "SPACES_SECRET_KEY": "foreign-secret",
        "SPACES_CA_FILE": str(authority.ca),
    }
    store.terminate()
    store.wait(10)
