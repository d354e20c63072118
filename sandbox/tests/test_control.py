"""The control API: it creates and edits shops, and everything survives a restart of the process."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

KEYS = {"SHOPIFY_API_KEY": "sandbox-key", "SHOPIFY_API_SECRET": "sandbox-secret"}


async def test_creating_a_shop_again_with_the_same_recipe_changes_nothing(sandbox: Any) -> None:
    recipe = {"shop": "big.myshopify.com", "products": 7, "plan": "plus"}
    statuses = [
        (await sandbox.http.post("/control/shops", json=body)).status_code
        for body in (recipe, recipe, {**recipe, "seed": 1})
    ]
    assert statuses == [201, 200, 409]
    assert (await sandbox.http.post("/control/shops", json={"shop": "nonsense"})).status_code == 422


async def test_edits_return_the_record_and_change_the_document(sandbox: Any) -> None:
    await sandbox.create_shop(products=3)
    product = await sandbox.control("POST", "/products", {"title": "Neu", "price": "3.00", "tags": ["b", "a"]})
    assert product["gid"] == f"gid://shopify/Product/{product['number']}" and product["tags"] == ["a", "b"]
    changed = await sandbox.control("PATCH", f"/products/{product['number']}", {"status": "DRAFT", "price": "4.00"})
    assert (changed["status"], changed["variants"][0]["price"]) == ("DRAFT", "4.00")
    document = await sandbox.control("GET", "/document")
    node = next(e["node"] for e in document["data"]["products"]["edges"] if e["node"]["id"] == product["gid"])
    assert (node["title"], node["onlineStoreUrl"]) == ("Neu", None)
    assert (await sandbox.http.patch("/control/shops/acme.myshopify.com/products/1", json={})).status_code == 404
    await sandbox.control("DELETE", f"/products/{product['number']}")
    assert product["gid"] not in str(await sandbox.control("GET", "/document"))


async def test_statistics_count_calls_and_can_be_reset(sandbox: Any) -> None:
    await sandbox.create_shop(products=3)
    token = await sandbox.install()
    await sandbox.query(token, "query Walk { products(first: 2) { nodes { id } } }")
    statistics = await sandbox.control("GET", "/statistics")
    assert statistics["operations"] == {"Walk": 1} and statistics["root_fields"] == {"products": 1}
    assert statistics["points_spent"] == 3 and statistics["token_exchanges"] == 1
    assert (await sandbox.control("DELETE", "/statistics"))["calls"] == 0


async def test_the_page_edits_products(sandbox: Any) -> None:
    await sandbox.create_shop(products=3)
    number = (await sandbox.control("GET", "/products"))["products"][0]["number"]
    page = await sandbox.http.get("/shops/acme.myshopify.com/")
    assert f'id="product-{number}"' in page.text
    base = f"/shops/acme.myshopify.com/products/{number}"
    form = {"title": "<b>Größe</b>", "price": "9.99", "tags": "z, a"}
    assert (await sandbox.http.post(f"{base}/save", data=form)).status_code == 303
    product = await sandbox.control("GET", f"/products/{number}")
    assert (product["title"], product["variants"][0]["price"], product["tags"]) == ("<b>Größe</b>", "9.99", ["a", "z"])
    assert "&lt;b&gt;Größe&lt;/b&gt;" in (await sandbox.http.get("/shops/acme.myshopify.com/")).text
    await sandbox.http.post("/shops/acme.myshopify.com/products", data={"title": "Neu", "price": "1.00"})
    await sandbox.http.post(f"{base}/delete")
    assert (await sandbox.control("GET", ""))["products"] == 3


async def test_health(sandbox: Any) -> None:
    assert [(await sandbox.http.get(path)).status_code for path in ("/health", "/ready")] == [200, 200]


async def test_state_survives_a_restart(serve: Callable[..., Any], receiver: Any) -> None:
    async with serve(retry_scale=1.0) as sandbox:
        await sandbox.create_shop(products=6)
        token = await sandbox.install()
        for topic in ("SHOP_UPDATE", "PRODUCTS_DELETE"):
            await sandbox.subscribe(token, topic, receiver.url)
        products = (await sandbox.control("GET", "/products"))["products"]
        await sandbox.control("PATCH", f"/products/{products[0]['number']}", {"title": "Anders"})
        await sandbox.control("DELETE", f"/products/{products[1]['number']}")
        product = await sandbox.control("POST", "/products", {"title": "Neu"})
        await sandbox.control("POST", "/discounts", {"title": "Neu", "codes": ["NEU"]})
        await sandbox.control("PUT", "/faults", {"webhooks_delayed_seconds": 0.5, "nodes_cost": "linear"})
        await sandbox.control("PATCH", "", {"name": "Anders"})
        before = (await sandbox.control("GET", "/document"), await sandbox.control("GET", "/subscriptions"))
        await receiver.wait(1)
    async with serve() as sandbox:
        assert (await sandbox.control("GET", "/document"), await sandbox.control("GET", "/subscriptions")) == before
        assert (await sandbox.control("GET", "/faults"))["nodes_cost"] == "linear"
        assert (await sandbox.query(token, "{ shop { name } }")).json()["data"]["shop"]["name"] == "Anders"
        topics = [headers["x-shopify-topic"] for headers, _ in await receiver.wait(2)]
        assert sorted(topics) == ["products/delete", "shop/update"]
        assert (await sandbox.control("POST", "/products", {}))["number"] > product["number"]


async def test_a_fresh_sandbox_shows_shops_that_can_be_connected_by_their_names(sandbox: Any) -> None:
    shops = {row["shop"]: row["products"] for row in (await sandbox.http.get("/control/shops")).json()["shops"]}
    assert len(shops) == 3 and min(shops.values()) >= 25
    page = (await sandbox.http.get("/")).text
    assert all(shop in page for shop in shops)
    assert await sandbox.install(next(iter(shops)))


async def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, **KEYS, "SANDBOX_PORT": str(port), "SANDBOX_STATE": str(tmp_path)}

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "sandbox.app", env=environment)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http, asyncio.timeout(20):
            while True:
                try:
                    if (await http.get("/ready")).status_code == 200:
                        return process
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)

    control = f"http://127.0.0.1:{port}/control/shops"
    process = await start()
    async with httpx.AsyncClient() as http:
        await http.post(control, json={"shop": "acme.myshopify.com", "products": 9})
        await http.post(f"{control}/acme.myshopify.com/burst", json={"edits": 30, "products": 5, "seed": 2})
        before = (await http.get(f"{control}/acme.myshopify.com/document")).content
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process = await start()
    async with httpx.AsyncClient() as http:
        after = (await http.get(f"{control}/acme.myshopify.com/document")).content
    process.send_signal(signal.SIGTERM)
    await process.wait()
    assert after == before


def test_without_credentials_it_names_the_missing_setting(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in KEYS} | {"SHOPIFY_API_KEY": "k"}
    process = subprocess.run(
        [sys.executable, "-m", "sandbox.app"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert process.returncode == 1 and process.stderr.strip() == "sandbox: set SHOPIFY_API_SECRET"
