"""A person with a keyboard and without JavaScript chooses accounts on the page that offers them."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Page, async_playwright, expect

from platform_sdk.tokens import split_login

pytestmark = pytest.mark.integration
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture
async def gateway_url(world: Any) -> AsyncIterator[str]:
    """Serves the public application on a port, and yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(world.public, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """Opens a page without JavaScript in Debian's Chromium."""
    chromium = shutil.which("chromium")
    assert chromium, "install Debian's chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = await browser.new_context(java_script_enabled=False)
        yield await context.new_page()
        await browser.close()


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def test_a_person_chooses_accounts_and_options_with_the_keyboard_alone(
    world: Any, gateway_url: str, page: Page
) -> None:
    refusals: list[str] = []
    page.on("console", lambda message: refusals.append(message.text))
    await page.goto(gateway_url)
    await expect(page.locator("main")).to_contain_text("and choose what is connected")
    await page.focus("#connect_library")
    await press(page, "Enter")
    await expect(page.locator("h1")).to_have_text("Connect Library")
    await page.focus("#reader")
    await page.keyboard.type("rita")
    await press(page, "Tab")
    await page.keyboard.type("a password of the library")
    await press(page, "Enter")
    await expect(page.locator("h1")).to_have_text("Choose what to connect")
    await expect(page.locator("#offer-1")).to_be_checked()
    await expect(page.locator("#offer-3")).to_be_disabled()
    await expect(page.locator("#offer-3-about")).to_contain_text("It cannot be connected: it is being repaired.")
    await page.focus(".offers")
    await press(page, "Tab")
    await expect(page.locator("#offer-1")).to_be_focused()
    # To the options of the first one, which open with Enter: `by title`, and both columns.
    await press(page, "Tab", "Enter", "Tab", "ArrowDown", "Tab", "ArrowDown", "Shift+ArrowDown")
    await expect(page.locator("#offer-1-1")).to_have_value("by title")
    await press(page, "Tab")
    await expect(page.locator("#offer-2")).to_be_focused()
    await press(page, "Space")
    await expect(page.locator("#offer-2")).to_be_checked()
    await page.focus("#connect")
    await press(page, "Enter")
    await expect(page.locator("#connected")).to_have_text("Connected: 2 accounts")
    token = (await world.request_token("library-fetcher", "library:library.test/art")).json()["access_token"]
    assert split_login(token)[1] == ('["library.test/art", {"order": ["by title"], "left_out": ["prices", "names"]}]')
    assert refusals == [], "the content security policy refuses nothing of these pages"


async def test_a_long_list_scrolls_beside_its_button(world: Any, gateway_url: str, page: Page) -> None:
    world.library.shelves = {f"library.test/{n}": f"Shelf {n}" for n in range(500)}
    await page.goto(f"{gateway_url}/library/connect")
    await page.fill("#reader", "rita")
    await page.fill("#password", "a password of the library")
    await page.click("#connect")
    await expect(page.locator(".offers > li")).to_have_count(500)
    box = await page.locator(".offers").bounding_box()
    assert box is not None and box["height"] < 500
    await expect(page.locator("#connect")).to_be_in_viewport()
    await page.locator("#offer-500").check()
    await page.click("#connect")
    await expect(page.locator("#connected")).to_have_text("Connected: Shelf 499")
