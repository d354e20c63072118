"""What tests of several packages share: a real PostgreSQL of their own, with nothing in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from merchant_sync.stack import Stack


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of Postgres alone, with the roles and schemas of every owner."""
    folder: Path = tmp_path_factory.mktemp("postgres") / "data"
    with Stack(folder, wanted={"postgres"}) as stack:
        yield stack
