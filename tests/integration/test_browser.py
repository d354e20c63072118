"""A person with a browser: connects the sandbox's shop, watches, edits a product there, and sees the object change."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from world import World, until

pytestmark = pytest.mark.integration
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of Debian's Chromium."""
    chromium = shutil.which("chromium")
    assert chromium, "install Debian's chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser.new_page()
        browser.close()


def test_a_person_connects_watches_edits_and_sees(world: World, page: Page) -> None:
    shop = world.make_shop(products=20)
    page.goto(world.stack.gateway_url)
    page.fill("#shop", shop.removesuffix(".myshopify.com"))
    page.click("#connect")
    expect(page.locator("#scopes")).to_contain_text("read_products")
    page.click("#accept")
    expect(page.locator("#state")).to_have_text("success", timeout=30_000)
    for part in ("webhook_status", "webhook_test", "polling_test", "upload_status"):
        expect(page.locator(f"#{part}")).to_have_text("success", timeout=30_000)
    expect(page.locator("#records")).not_to_have_text("0")
    world.equal(shop)
    number = world.products(shop)[0]["number"]
    page.goto(f"{world.stack.sandbox_url}/shops/{shop}/")
    row = page.locator(f"#product-{number}")
    row.locator("input[name=title]").fill("Edited by a person")
    row.locator("button[type=submit], button").first.click()
    until(lambda: ((found := world.object(shop)) and b"Edited by a person" in found.body) or None)
    world.equal(shop)


def test_a_merchant_who_declines_is_told_and_offered_a_new_start(world: World, page: Page) -> None:
    shop = world.make_shop(products=10)
    page.goto(f"{world.stack.gateway_url}/shopify/{shop}/login")
    page.click("#decline")
    expect(page.locator("#again")).to_be_visible()
    page.click("#again")
    page.fill("#shop", shop)
    page.click("#connect")
    page.click("#accept")
    expect(page.locator("#state")).to_have_text("success", timeout=30_000)


def test_a_shop_name_that_is_none_shows_the_form_that_is_expected(world: World, page: Page) -> None:
    answer = page.goto(f"{world.stack.gateway_url}/shopify/evil.example.com/login")
    assert answer is not None and answer.status == 400
    expect(page.locator("body")).to_contain_text(".myshopify.com")
