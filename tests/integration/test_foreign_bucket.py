"""A stack whose bucket is elsewhere, over TLS with an authority of its own; and the demo beside that stack."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from merchant_sync.stack import Stack
from world import CACHED_JARS, SETTINGS, World

pytestmark = pytest.mark.integration
KEYS = ("SPACES_ACCESS_KEY", "SPACES_SECRET_KEY")


@pytest.fixture(scope="module")
def foreign_stack(tls_bucket: dict[str, str]) -> Iterator[Stack]:
    """Run a stack with the bucket of `tls_bucket`."""
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", given={**SETTINGS, **tls_bucket}, cache_dir=CACHED_JARS) as running,
    ):
        yield running


def run_demo(stack: Stack, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the demo beside the stack, in a shell with these settings alone."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPACES_")}
    command = [sys.executable, "-m", "merchant_sync.app", "demo", "--data", str(stack.data_dir)]
    return subprocess.run(
        command, env={**environment, **settings}, cwd=stack.data_dir, capture_output=True, text=True, check=False
    )


def test_a_shop_is_stored_in_a_bucket_over_tls_with_an_authority_of_its_own(foreign_stack: Stack) -> None:
    with World(foreign_stack) as world:
        shop = world.make_shop(products=5)
        world.connect_and_sync(shop)


def test_the_demo_beside_a_foreign_bucket_passes_with_its_keys(
    foreign_stack: Stack, tls_bucket: dict[str, str]
) -> None:
    done = run_demo(foreign_stack, {name: tls_bucket[name] for name in KEYS})
    assert (done.returncode, "hold" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize("keys", [{}, dict.fromkeys(KEYS, "wrong")], ids=["no keys", "wrong keys"])
def test_the_demo_beside_a_foreign_bucket_says_what_to_give(foreign_stack: Stack, keys: dict[str, str]) -> None:
    done = run_demo(foreign_stack, keys)
    assert done.returncode == 1
    assert all(name in done.stdout for name in KEYS)
    assert "Traceback" not in done.stdout + done.stderr
