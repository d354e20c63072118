"""One whole stack for all integration tests, the same processes that `make up` starts; each test has its own shop."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from merchant_sync.stack import Stack
from otlp_receiver import Receiver, run_receiver
from world import JARS, SETTINGS, World

ELSEWHERE = (
    "KAFKA_BOOTSTRAP_SERVERS",
    "DATABASE_URL",
    "SPACES_ENDPOINT_URL",
    "SPACES_ACCESS_KEY",
    "SPACES_SECRET_KEY",
    "SPACES_BUCKET",
)
"""Parts whose addresses the environment names are used and not started."""


@pytest.fixture(scope="session")
def elsewhere(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings of parts that run elsewhere: in containers, where that is asked for, or where the environment says."""
    if request.config.getoption("--containers"):
        import containers

        with containers.running() as settings:
            yield settings
    else:
        yield {name: os.environ[name] for name in ELSEWHERE if name in os.environ}


@pytest.fixture(scope="session")
def stack(elsewhere: dict[str, str]) -> Iterator[Stack]:
    """Kafka, Postgres, the object store, the sandbox and every service, in a folder that Postgres's user can enter."""
    given = {**SETTINGS, **elsewhere}
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", given=given, auto_restart=False, cache_dir=JARS) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """A collector of traces."""
    with run_receiver() as here:
        yield here


@pytest.fixture(scope="module")
def traced_stack(elsewhere: dict[str, str], receiver: Receiver) -> Iterator[Stack]:
    """A stack of this module's own, which exports its spans to the collector."""
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    given = {**SETTINGS, **elsewhere, **traced}
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", given=given, auto_restart=False, cache_dir=JARS) as running,
    ):
        yield running


@pytest.fixture
def world(stack: Stack) -> Iterator[World]:
    """The running stack as a merchant, an operator and a reader of the bucket see it; whatever is down comes back."""
    with World(stack) as seen:
        yield seen
        seen.bring_everything_back()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of every service's log."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        for name in stack.names:
            lines = stack.get_log_path(name).read_text(errors="replace").splitlines()[-15:]
            report.sections.append((f"log of {name}", "\n".join(line[:400] for line in lines)))
    return report
