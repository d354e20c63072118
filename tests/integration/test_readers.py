"""A reader's first minute on the running stack: a key of one connection gets its data, and nothing of another's."""

import httpx
import pytest
from typer.testing import CliRunner

from merchant_sync.app import app
from world import World, wait_until

pytestmark = pytest.mark.integration


def make_key(world: World, connection: str, *scopes: str) -> str:
    """Make a key as the operator does; return it."""
    words = ["keys", "make", "--connection", connection, "--name", "bot", "--scope", "read"]
    words += [word for scope in scopes for word in ("--scope", scope)]
    result = CliRunner().invoke(app, [*words, "--data", str(world.stack.data_dir)])
    assert result.exit_code == 0, result.output + result.stderr
    return result.stdout.strip()


def test_a_key_gets_the_data_of_its_connection_and_of_no_other(world: World) -> None:
    shop, other = world.make_shop(products=5), world.make_shop(products=5)
    for one in (shop, other):
        world.connect_and_sync(one)
    connection, key = f"shopify:{shop}", make_key(world, f"shopify:{shop}")
    reader = httpx.Client(base_url=world.stack.data_api_url, headers={"X-API-Key": key})

    wait_until(lambda: reader.get("/fetch-data").status_code == 200 or None)
    world.edit_product(shop, world.list_products(shop)[0]["number"], title="Seen by a reader")
    world.wait_until_equal(shop)

    stored = world.read_object(shop)
    assert stored is not None and "Seen by a reader" in stored.body.decode()
    wait_until(lambda: reader.get("/fetch-data").json()["data"] == stored.document or None)
    assert [one["connection"] for one in reader.get("/v1/connections").json()["connections"]] == [connection]
    assert reader.get(f"/v1/connections/{connection}").status_code == 200
    assert reader.get(f"/v1/connections/shopify:{other}").status_code == 404
    assert httpx.get(f"{world.stack.data_api_url}/fetch-data").status_code == 401


def test_a_deletion_of_all_data_deletes_endpoints_and_what_was_to_be_sent(world: World) -> None:
    person = world.create_person(pages=1)
    (page,) = world.connect_pages(person["id"]).pages
    connection = page["connection"]
    key = {"X-API-Key": make_key(world, connection, "manage")}
    reader = httpx.Client(base_url=world.stack.data_api_url, headers=key)
    wait_until(lambda: reader.get(f"/v1/connections/{connection}/changes/head").status_code == 200 or None)
    # Nobody listens at port 9, so the message stays pending, with its body.
    wanted = {"url": "http://127.0.0.1:9/", "full": True}
    assert reader.post("/v1/endpoints", json=wanted).status_code == 201
    world.edit_page(page["id"], name="Told to nobody")
    joined = "data_api.deliveries JOIN data_api.endpoints ON endpoints.id = endpoint"
    pending = f"SELECT body FROM {joined} WHERE connection = :c"
    wait_until(lambda: any(b"Told to nobody" in row.body for row in world.select_rows(pending, c=connection)) or None)

    world.control_facebook("POST", f"/users/{person['id']}/delete_data")

    left = "SELECT id FROM data_api.endpoints WHERE connection = :c"
    wait_until(lambda: not world.select_rows(left, c=connection) or None, within=60)
    assert not world.select_rows(pending, c=connection)
    wait_until(lambda: reader.get("/v1/endpoints").status_code == 401 or None)
