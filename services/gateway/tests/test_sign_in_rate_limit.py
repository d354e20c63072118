"""Sign-ins are limited for each client, before they write a row or call a platform."""

from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from gateway.connect.rate_limit import SIGN_INS_PER_CLIENT, compile_sign_in_pattern

PROXY = (ip_network("127.0.0.0/8"),)
BURST = SIGN_INS_PER_CLIENT.burst


@pytest.fixture
def limited(world_without_database: Any) -> Any:
    """A gateway behind a known proxy, for which no time passes."""
    settings = world_without_database.settings.model_copy(update={"trusted_proxies": PROXY})
    world_without_database.restart(settings, clock=lambda: 0.0)
    return world_without_database


async def request(world: Any, path: str, client: str, accept: str = "application/json") -> httpx.Response:
    response: httpx.Response = await world.create_browser(accept).get(path, headers={"X-Forwarded-For": client})
    return response


@pytest.mark.parametrize("path", ["/shopify/no..shop/login", "/shopify/login?shop=no..shop", "/shopify/callback"])
async def test_a_client_is_limited_and_others_are_not(limited: Any, path: str) -> None:
    statuses = [(await request(limited, path, "198.51.100.7")).status_code for _ in range(BURST + 2)]
    assert statuses == [400] * BURST + [429] * 2

    refused = await request(limited, path, "198.51.100.7")
    assert refused.json() == {"status": "error", "reason": "too many sign-ins came from your address; wait a moment"}
    assert int(refused.headers["retry-after"]) == 2
    page = await request(limited, path, "198.51.100.7", "text/html")
    assert (page.status_code, page.headers["x-frame-options"]) == (429, "DENY")
    assert "wait a moment" in page.text

    assert (await request(limited, path, "198.51.100.8")).status_code == 400
    assert (await request(limited, "/", "198.51.100.7")).status_code == 200, "only sign-ins are limited"


async def test_logins_and_callbacks_count_together(limited: Any) -> None:
    for number in range(BURST):
        await request(limited, ("/shopify/no..shop/login", "/shopify/callback")[number % 2], "198.51.100.7")
    assert (await request(limited, "/facebook/callback", "198.51.100.7")).status_code == 429


@pytest.mark.parametrize(
    ("path", "is_limited"),
    [
        ("/shop/login", True),
        ("/shop/acme/login", True),
        ("/shop/ac\nme/login", True),
        ("/shop/callback", True),
        ("/shop/connect", True),
        ("/shop/connect/accounts", True),
        ("/shop/webhook", False),
        ("/connections", False),
        ("/login", False),
        ("/other/login", False),
    ],
)
def test_the_limited_paths(path: str, is_limited: bool) -> None:
    assert bool(compile_sign_in_pattern(["shop", "page"]).fullmatch(path)) == is_limited
