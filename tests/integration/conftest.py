"""One whole stack for all integration tests, the same processes that `make up` starts; each test has its own shop."""

from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from merchant_sync.stack import Stack
from world import JARS, SETTINGS, World


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Kafka, Postgres, the object store, the sandbox and every service, in a folder that Postgres's user can enter."""
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", given=SETTINGS, auto_restart=False, cache_dir=JARS) as running,
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
            lines = stack.logs_of(name).read_text(errors="replace").splitlines()[-15:]
            report.sections.append((f"log of {name}", "\n".join(line[:400] for line in lines)))
    return report
