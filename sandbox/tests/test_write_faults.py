"""Faults that only mutations have, and what tests learn of the mutations that were made."""

import asyncio
from typing import Any

import httpx
import pytest

SCOPES = "write_products,write_inventory,read_locations"
UPDATE = """mutation($product: ProductUpdateInput!) { productUpdate(product: $product) {
  product { title } userErrors { field message } } }"""
READ = "{ products(first: 1) { nodes { id title } } }"


@pytest.fixture
async def token(sandbox: Any) -> str:
    await sandbox.create_shop(products=2)
    return str(await sandbox.install(scope=SCOPES))


async def read_product(sandbox: Any, token: str) -> dict[str, str]:
    return (await sandbox.query(token, READ)).json()["data"]["products"]["nodes"][0]


async def update(sandbox: Any, token: str, title: str) -> httpx.Response:
    gid = (await read_product(sandbox, token))["id"]
    return await sandbox.query(token, UPDATE, product={"id": gid, "title": title})


async def test_an_answer_is_lost_after_the_mutation_was_made(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/faults", {"lost_answers": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        await update(sandbox, token, "Lost")
    assert (await read_product(sandbox, token))["title"] == "Lost"
    assert (await update(sandbox, token, "Again")).json()["data"]["productUpdate"]["product"] == {"title": "Again"}


async def test_a_mutation_fails_without_an_effect_while_queries_are_answered(sandbox: Any, token: str) -> None:
    before = await read_product(sandbox, token)
    await sandbox.control("PUT", "/faults", {"fail_writes": 1, "fail_status": 502})
    assert (await update(sandbox, token, "Failed")).status_code == 502
    assert await read_product(sandbox, token) == before
    assert (await update(sandbox, token, "Now")).status_code == 200


async def test_a_mutation_is_throttled_while_queries_are_answered(sandbox: Any, token: str) -> None:
    before = await read_product(sandbox, token)
    await sandbox.control("PUT", "/faults", {"throttle_writes": 1})
    body = (await update(sandbox, token, "Throttled")).json()
    assert body["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert await read_product(sandbox, token) == before


async def test_a_record_that_a_fault_refuses_gets_a_user_error(sandbox: Any, token: str) -> None:
    before = await read_product(sandbox, token)
    await sandbox.control("PUT", "/faults", {"refused_records": [before["id"]]})
    payload = (await update(sandbox, token, "Poisoned")).json()["data"]["productUpdate"]
    assert payload["product"] is None
    assert payload["userErrors"] == [{"field": ["product", "id"], "message": "Record is invalid"}]
    assert await read_product(sandbox, token) == before


async def test_mutations_are_counted_and_logged(sandbox: Any, token: str) -> None:
    gid = (await read_product(sandbox, token))["id"]
    await update(sandbox, token, "One")
    await update(sandbox, token, "")
    statistics = await sandbox.control("GET", "/statistics")
    assert (statistics["writes"], statistics["refused_writes"]) == ({"productUpdate": 1}, {"productUpdate": 1})
    log = await sandbox.control("GET", f"/writes?gid={gid}")
    assert [(write["mutation"], write["user_errors"]) for write in log["writes"]] == [
        ("productUpdate", []), ("productUpdate", ["Title can't be blank"]),
    ]  # fmt: skip
    assert (await sandbox.control("GET", "/writes?mutation=productSet"))["total"] == 0


async def test_a_mutation_without_its_scope_is_denied(sandbox: Any, token: str) -> None:
    await sandbox.control("PUT", "/grants", {"scopes": ["read_products"]})
    body = (await update(sandbox, token, "Denied")).json()
    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert body["errors"][0]["extensions"]["requiredAccess"] == "`write_products` access scope."


async def test_what_was_written_is_there_after_a_restart(serve: Any) -> None:
    async with serve() as sandbox:
        await sandbox.create_shop(products=2)
        token = await sandbox.install(scope=SCOPES)
        definition = {"ownerType": "PRODUCT", "namespace": "erp", "key": "id", "name": "Id", "type": "id"}
        query = """mutation($definition: MetafieldDefinitionInput!) {
          metafieldDefinitionCreate(definition: $definition) { userErrors { code } } }"""
        await sandbox.query(token, query, definition=definition)
        await update(sandbox, token, "Kept")
        await sandbox.control("PUT", "/faults", {"media_seconds": 3600})
        gid = (await read_product(sandbox, token))["id"]
        media = {"originalSource": "https://images.example/a.png", "mediaContentType": "IMAGE"}
        query = """mutation($product: ProductUpdateInput!, $media: [CreateMediaInput!]) {
          productUpdate(product: $product, media: $media) { userErrors { message } } }"""
        await sandbox.query(token, query, product={"id": gid}, media=[media])
        await sandbox.control("PUT", "/faults", {})
    async with serve() as sandbox:
        assert (await read_product(sandbox, token))["title"] == "Kept"
        query = "{ metafieldDefinitions(first: 5, ownerType: PRODUCT) { nodes { key type { name } } } }"
        nodes = (await sandbox.query(token, query)).json()["data"]["metafieldDefinitions"]["nodes"]
        assert nodes == [{"key": "id", "type": {"name": "id"}}]
        query = "query($id: ID!) { product(id: $id) { media(first: 9) { nodes { status } } } }"
        async with asyncio.timeout(20):
            while True:
                media = (await sandbox.query(token, query, id=gid)).json()["data"]["product"]["media"]["nodes"]
                if media[-1]["status"] == "READY":
                    break
                await asyncio.sleep(0.05)
        assert len(media) == 3
