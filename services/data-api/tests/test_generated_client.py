"""A typed Python client is generated from the OpenAPI document, and a program that uses it reads the data API."""

import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api_builders import ACME, KEY, NOW_MS, make_sync, make_syncs
from bucket_fixture import open_counted_bucket
from client_generator import PACKAGE, generate_client
from data_api.describe_api import describe
from data_api.store.databases import ReadDatabases
from merchant_sync.stack import Stack
from plain_server import PlainServer, serve_plain
from published_feed import PublishedFeed

pytestmark = pytest.mark.integration
PROGRAM = Path(__file__).with_name("client_program.py")
PRODUCTS = {f"gid://shop/Product/{number}": {"title": f"Shirt {number}"} for number in range(5)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated package, of which the generator had nothing to warn."""
    folder = tmp_path_factory.mktemp("client")
    generate_client(describe(), folder)
    return folder


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Any]:
    """The program that uses the package."""
    sys.path.insert(0, str(folder))
    yield importlib.import_module(PROGRAM.stem)
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] in (PACKAGE, PROGRAM.stem)]:
        del sys.modules[name]


@pytest.fixture
async def server(
    stored_objects: Stack, feed: PublishedFeed, databases: ReadDatabases, tmp_path: Path
) -> AsyncIterator[PlainServer]:
    """A data API with five products, and the document of them."""
    async with (
        open_counted_bucket(stored_objects) as bucket,
        serve_plain(bucket, tmp_path, databases=databases) as (server, _),
    ):
        for record_id, body in PRODUCTS.items():
            await feed.write(record_id, body)
        await server.upload(b'{"data":{"shop":{"name":"Acme"}}}')
        yield server


@pytest.fixture
def client(server: PlainServer, program: Any) -> Any:
    return program.create_client(f"http://127.0.0.1:{server.port}", KEY)


def test_client_and_program_pass_strict_type_checks(folder: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={folder}/mypy"]
    done = subprocess.run([*command, "-p", PACKAGE], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    done = subprocess.run([*command, str(PROGRAM)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


async def test_a_copy_and_the_changes_after_it_are_all_there_is(client: Any, program: Any, feed: PublishedFeed) -> None:
    [connection] = await program.load_connections(client)
    assert connection.connection == ACME and connection.records["products"] == len(PRODUCTS)
    copy = await program.copy_records(client, ACME, "products")
    assert {record.id: record.data.to_dict() for record in copy.records.values()} == PRODUCTS
    edited, deleted = list(PRODUCTS)[:2]
    await feed.write(edited, {"title": "Edited"})
    await feed.write(deleted, None)
    changes = await program.load_changes(client, ACME, copy.cursor)
    assert [(change.id, change.operation) for change in changes] == [(edited, "update"), (deleted, "delete")]
    assert changes[0].data["title"] == "Edited" and changes[1].data is None
    record = await program.load_record(client, ACME, "products", edited)
    assert (record.sequence, record.data["title"]) == (changes[0].sequence, "Edited")


async def test_documents_and_their_age_have_types(client: Any, program: Any, server: PlainServer) -> None:
    assert (await program.load_document(client, ACME))["data"] == {"shop": {"name": "Acme"}}
    fetched = await program.load_data(client)
    assert fetched.data["data"] == {"shop": {"name": "Acme"}} and fetched.last_updated.tzinfo is not None
    status = await program.load_status(client)
    assert status.cache_exists and status.connections == [ACME]


async def test_a_refresh_that_was_asked_for_can_be_followed(client: Any, program: Any, server: PlainServer) -> None:
    requested = await program.refresh_records(client, ACME, {"products": [next(iter(PRODUCTS))]})
    assert requested.status == "started" and isinstance(requested.sync_id, UUID)
    server.apply_syncs(make_syncs(make_sync(sync_id=requested.sync_id, state="running", records=3)))
    sync = await program.load_sync(client, requested.sync_id)
    assert (sync.sync_id, sync.state, sync.records) == (requested.sync_id, "running", 3)
    assert sync.requested_at.timestamp() * 1000 == NOW_MS


async def test_errors_are_parsed_as_problems(client: Any, program: Any, server: PlainServer) -> None:
    with pytest.raises(program.ProblemError) as missing:
        await program.load_record(client, ACME, "products", "gid://shop/Product/99")
    assert (missing.value.problem.status, missing.value.problem.title) == (404, "Not Found")
    stranger = program.create_client(f"http://127.0.0.1:{server.port}", "msk_unknown")
    with pytest.raises(program.ProblemError) as refused:
        await program.load_connections(stranger)
    assert (refused.value.problem.status, refused.value.problem.title) == (401, "Unauthorized")
    with pytest.raises(program.ProblemError) as reset:
        await program.load_changes(client, ACME, f"{'0' * 32}.1.1")
    assert (reset.value.problem.status, reset.value.problem["restart"]) == (
        "reset",
        f"/v1/connections/{ACME}/changes/head",
    )
