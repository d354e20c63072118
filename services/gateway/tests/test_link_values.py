"""How values of records are written on pages, and what the linker's client makes of answers."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from gateway.links.client import LinkerClient, LinkerUnavailableError
from gateway.pages.values import MAX_LENGTH, format_value
from platform_sdk.errors import NotFoundError, RequestRejectedError

SHOP = "shopify:acme.myshopify.com"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        ("", "none"),
        ([], "none"),
        (False, "no"),
        (True, "yes"),
        (0, "0"),
        ("12.50", "12.50"),
        (["a", "b"], "a, b"),
        ([{"name": "Size", "values": ["S", "M"]}, {"name": "Color", "values": []}], "Size: S, M, Color: "),
        ({"other": 1}, '{"other":1}'),
        ("x" * (MAX_LENGTH + 1), "x" * MAX_LENGTH + "…"),
    ],
)
def test_a_value_is_written_for_people(value: Any, text: str) -> None:
    assert format_value(value) == text


def create_client(status: int, body: Any) -> LinkerClient:
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(status, json=body)))
    return LinkerClient(http, "http://linker.test/", key="k" * 32)


@pytest.mark.parametrize(
    ("status", "body"), [(401, {"detail": "no"}), (500, {}), (200, {"state": "active"}), (200, [])]
)
async def test_any_other_answer_counts_as_none(status: int, body: Any) -> None:
    client = create_client(status, body)
    with pytest.raises(LinkerUnavailableError):
        await client.fetch_link(uuid4(), SHOP)
    with pytest.raises(LinkerUnavailableError):
        await client.fetch_plan(uuid4(), SHOP)


async def test_a_link_that_is_not_there_is_none() -> None:
    client = create_client(404, {"detail": "the shop has no link"})
    assert await client.fetch_link(uuid4(), SHOP) is None
    with pytest.raises(NotFoundError):
        await client.fetch_failures(uuid4(), SHOP)


@pytest.mark.parametrize(
    ("status", "detail", "shown", "reason"),
    [
        (404, "nothing is unbooked there", 404, "nothing is unbooked there"),
        (409, "the link is paused", 409, "the link is paused"),
        (422, "it is no connection of a shop", 400, "it is no connection of a shop"),
        (422, [{"loc": ["body", "plan"], "msg": "wrong"}], 400, "a value is not possible"),
    ],
)
async def test_a_refusal_has_the_linkers_reason(status: int, detail: Any, shown: int, reason: str) -> None:
    with pytest.raises(RequestRejectedError) as refused:
        await create_client(status, {"detail": detail}).change_link(uuid4(), SHOP, "pause", {})
    assert (refused.value.status, refused.value.reason) == (shown, reason)


@pytest.mark.parametrize(("status", "body"), [(401, {"detail": "no"}), (503, {}), (409, {"wrong": 1})])
async def test_a_change_without_a_plain_answer_is_not_known_to_be_done(status: int, body: Any) -> None:
    with pytest.raises(LinkerUnavailableError):
        await create_client(status, body).create_link(uuid4(), SHOP, "odoo:acme.example.com/production", {})
