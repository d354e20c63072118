"""One stack for all integration tests, with the same processes that `make up` starts. Each test has its own shop."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from merchant_sync.stack import Stack
from otlp_receiver import Receiver, run_receiver
from world import CACHED_JARS, SETTINGS, World

EXTERNAL_SETTINGS = (
    "KAFKA_BOOTSTRAP_SERVERS",
    "DATABASE_URL",
    "SPACES_ENDPOINT_URL",
    "SPACES_ACCESS_KEY",
    "SPACES_SECRET_KEY",
    "SPACES_BUCKET",
)
"""Environment variables that name parts which run already. Such a part is used, and no other is started for it."""


@pytest.fixture(scope="session")
def external_settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Yield the settings of parts that the stack does not run.

    With `--containers` they name started containers, otherwise they come from environment variables.
    """
    if request.config.getoption("--containers"):
        import containers

        with containers.run_containers() as settings:
            yield settings
    else:
        yield {name: os.environ[name] for name in EXTERNAL_SETTINGS if name in os.environ}


@pytest.fixture(scope="session")
def stack(external_settings: dict[str, str]) -> Iterator[Stack]:
    """Run all parts, in a temporary folder that the operating system's user of Postgres can enter."""
    settings = {**SETTINGS, **external_settings}
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", given=settings, auto_restart=False, cache_dir=CACHED_JARS) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Run a receiver of traces."""
    with run_receiver() as here:
        yield here


@pytest.fixture(scope="module")
def traced_stack(external_settings: dict[str, str], receiver: Receiver) -> Iterator[Stack]:
    """Run a separate stack for the test module. This stack exports its spans to the receiver."""
    tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    settings = {**SETTINGS, **external_settings, **tracing}
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", given=settings, auto_restart=False, cache_dir=CACHED_JARS) as running,
    ):
        yield running


@pytest.fixture
def world(stack: Stack) -> Iterator[World]:
    """Yield the running stack with what tests do to it. Parts that are down are started again."""
    with World(stack) as world:
        yield world
        world.restart_stopped_parts()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of every part's log when a test fails."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        for name in stack.names:
            lines = stack.get_log_path(name).read_text(errors="replace").splitlines()[-15:]
            report.sections.append((f"log of {name}", "\n".join(line[:400] for line in lines)))
    return report
