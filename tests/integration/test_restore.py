"""The database is lost and restored from a backup: after a full sync of each connection, no object differs."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from typer.testing import CliRunner

import backups
from merchant_sync.app import app
from merchant_sync.parts import SERVICES
from merchant_sync.stack import Stack
from world import CACHED_JARS, SETTINGS, World, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def lost_world() -> Iterator[World]:
    """Run a stack of its own, whose database a test may lose."""
    with (
        TemporaryDirectory(prefix="merchant-sync-") as folder,
        Stack(Path(folder) / "data", given=SETTINGS, auto_restart=False, cache_dir=CACHED_JARS) as stack,
        World(stack) as world,
    ):
        yield world


def run_command(world: World, *words: str) -> str:
    """Run a command of `merchant-sync` on the stack; return its output. Fail when it exits with an error."""
    result = CliRunner().invoke(app, [*words, "--data", str(world.stack.data_dir)])
    assert result.exit_code == 0, result.output + result.stderr
    return result.stdout


def change_everything(world: World, shops: list[str], page: str) -> None:
    """Edit, create and delete products of each shop, and rename the page."""
    for shop in shops:
        first, second, *_ = world.list_products(shop)
        world.edit_product(shop, first["number"], title="After the backup")
        world.control_sandbox("DELETE", f"/{shop}/products/{second['number']}")
        world.control_sandbox("POST", f"/{shop}/products", {"title": "New", "price": "1.00", "available": 1})
    world.edit_page(page, name="Renamed after the backup")


def test_a_lost_database_is_restored_and_full_syncs_leave_no_difference(lost_world: World) -> None:
    world, stack = lost_world, lost_world.stack
    # Without collections: a product that is created changes the smart ones without a webhook.
    shops = [world.make_shop(products=number, collections=0) for number in (60, 300)]
    for shop in shops:
        world.connect_and_sync(shop)
    (page,) = world.connect_pages(world.create_person(pages=1)["id"]).pages
    backup = backups.back_up(stack)

    # What comes after the backup is lost with the database, though it is in the bucket: also one whole connection.
    change_everything(world, shops, page["id"])
    late = world.make_shop(products=10)
    late_connection = world.connect_and_sync(late)
    for shop in shops:
        world.wait_until_equal(shop)
    world.wait_until_page_equal(page["id"])
    backups.lose_database(stack)
    # While there is no database, too.
    change_everything(world, shops, page["id"])
    for service in SERVICES:
        stack.stop_part(service)
    backups.restore(stack, backup)
    for service in SERVICES:
        stack.start_part(service, wait=False)
    for service in SERVICES:
        stack.wait_healthy(service)

    names = run_command(world, "connections", "list", "--state", "connected", "--names").split()
    assert names == sorted([*(f"shopify:{shop}" for shop in shops), f"facebook:{page['id']}"])
    run_command(world, "doctor")
    for name in names:
        run_command(world, "sync", name, "--wait")
    for shop in shops:
        world.wait_until_equal(shop, within=60)
    world.wait_until_page_equal(page["id"], within=60)
    # Webhooks go on, and the merchant whose connection is younger than the backup signs in again.
    world.edit_product(shops[0], world.list_products(shops[0])[0]["number"], title="After the restore")
    world.wait_until_equal(shops[0])
    again = world.connect(late, late_connection.browser)
    assert wait_until(lambda: world.wait_for_sync(again))["state"] == "success"
    world.wait_until_equal(late)
    assert {row.state for name in names for row in world.list_syncs(name)} == {"success"}
