"""A person with a browser connects a shop and pages, edits them, sees the objects change, and disconnects."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from world import World, wait_until

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
    """Open a page in Debian's Chromium."""
    chromium = shutil.which("chromium")
    assert chromium, "install Debian's chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser.new_page()
        browser.close()


def test_a_person_connects_a_shop_edits_it_and_sees_the_object_change(world: World, page: Page) -> None:
    shop = world.make_shop(products=20)
    page.goto(world.stack.gateway_url)
    page.fill("#shop", shop.removesuffix(".myshopify.com"))
    page.click("#connect_shopify")
    expect(page.locator("#scopes")).to_contain_text("read_products")
    page.click("#accept")
    expect(page.locator("#state")).to_have_text("success", timeout=30_000)
    for part in ("webhook_status", "webhook_test", "polling_test", "upload_status"):
        expect(page.locator(f"#{part}")).to_have_text("success", timeout=30_000)
    expect(page.locator("#records")).not_to_have_text("0")
    world.wait_until_equal(shop)
    number = world.list_products(shop)[0]["number"]
    page.goto(f"{world.stack.sandbox_url}/shops/{shop}/")
    row = page.locator(f"#product-{number}")
    row.locator("input[name=title]").fill("Edited by a person")
    row.locator("button[type=submit], button").first.click()
    wait_until(lambda: ((stored := world.read_object(shop)) and b"Edited by a person" in stored.body) or None)
    world.wait_until_equal(shop)


def test_a_person_without_javascript_connects_a_shop_through_the_home_page(world: World, page: Page) -> None:
    shop = world.make_shop(products=3)
    assert page.context.browser
    plain = page.context.browser.new_context(java_script_enabled=False).new_page()
    answer = plain.goto(world.stack.gateway_url)
    assert answer is not None and "form-action 'self'" in answer.headers["content-security-policy"]
    plain.fill("#shop", shop)
    plain.click("#connect_shopify")
    plain.click("#accept")
    expect(plain.locator("body")).to_contain_text(shop)
    world.wait_until_equal(shop)


def test_a_form_of_the_home_page_goes_nowhere_else(world: World, page: Page) -> None:
    page.goto(world.stack.gateway_url)
    page.fill("#shop", "acme")
    page.evaluate("url => document.querySelector('form').action = url", f"{world.stack.sandbox_url}/")
    with page.expect_console_message(lambda message: "form-action" in message.text):
        # Not `page.click`, which waits for the navigation.
        page.evaluate("document.querySelector('#connect_shopify').click()")
    assert page.url.startswith(world.stack.gateway_url)


def test_a_merchant_who_declines_is_offered_to_start_again(world: World, page: Page) -> None:
    shop = world.make_shop(products=10)
    page.goto(f"{world.stack.gateway_url}/shopify/{shop}/login")
    page.click("#decline")
    expect(page.locator("#again")).to_be_visible()
    page.click("#again")
    page.fill("#shop", shop)
    page.click("#connect_shopify")
    page.click("#accept")
    expect(page.locator("#state")).to_have_text("success", timeout=30_000)


def test_an_invalid_shop_name_is_answered_with_the_expected_form_of_a_name(world: World, page: Page) -> None:
    answer = page.goto(f"{world.stack.gateway_url}/shopify/evil.example.com/login")
    assert answer is not None and answer.status == 400
    expect(page.locator("body")).to_contain_text(".myshopify.com")


def test_a_person_connects_pages_beside_a_shop_edits_one_and_disconnects_it(world: World, page: Page) -> None:
    shop, person = world.make_shop(products=5), world.create_person(pages=2)
    first = person["pages"][0]["id"]
    page.goto(f"{world.stack.gateway_url}/shopify/{shop}/login")
    page.click("#accept")
    expect(page.locator("#state")).to_have_text("success", timeout=30_000)
    page.goto(world.stack.gateway_url)
    page.click("#connect_facebook")
    page.click(f"#as-{person['id']}")
    page.uncheck("#allow-pages_messaging")
    page.click("#accept")
    expect(page.locator("#connected")).to_contain_text("2 accounts")
    expect(page.locator(".missing").first).to_contain_text("pages_messaging")
    expect(page.locator(".again").first).to_have_text("Grant what is missing")
    page.reload()
    expect(page.locator("#connected")).to_contain_text("2 accounts")
    page.click(f"[data-connection='facebook:{first}'] .sync_url")
    for part in ("webhook_status", "webhook_test", "polling_test", "upload_status"):
        expect(page.locator(f"#{part}")).to_have_text("success", timeout=30_000)
    page.goto(f"{world.stack.sandbox_url}/facebook/users/{person['id']}/")
    page.fill(f"#name-{first}", "Named by a person")
    page.click(f"#save-{first}")
    wait_until(lambda: ((stored := world.read_page_object(first)) and b"Named by a person" in stored.body) or None)
    page.goto(f"{world.stack.gateway_url}/connections")
    expect(page.locator(".connection")).to_have_count(3)
    card = page.locator(f"[data-connection='facebook:{first}']")
    card.locator("details.delete summary").click()
    card.locator("details.delete button").click()
    expect(page.locator("main")).to_contain_text(f"facebook:{first}")
    wait_until(lambda: world.read_page_object(first) is None or None)
    page.goto(f"{world.stack.gateway_url}/connections")
    expect(page.locator(".connection")).to_have_count(2)


def measure_gap(page: Page, above: str, below: str) -> float:
    """Returns how many pixels are between the first elements of these selectors."""
    upper, lower = page.locator(above).first.bounding_box(), page.locator(below).first.bounding_box()
    assert upper and lower
    return lower["y"] - upper["y"] - upper["height"]


def test_a_merchant_signs_in_again_to_list_two_accounts_together_and_shuts_others_out(world: World, page: Page) -> None:
    shop, second = world.make_shop(products=5), world.make_shop(products=5)
    helper = world.connect(second)
    page.goto(f"{world.stack.gateway_url}/shopify/{shop}/login")
    page.click("#accept")
    expect(page.locator("#state")).to_have_text("success", timeout=30_000)
    with page.expect_request(lambda request: request.url.endswith("?unattended=1")):
        page.reload()
    page.goto(f"{world.stack.gateway_url}/connections")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert measure_gap(page, ".connection .table", ".connection .actions") >= 16
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.click("header #sign_out button")
    page.goto(f"{world.stack.gateway_url}/connections")
    expect(page.locator("#reason")).to_contain_text("not signed in")
    for name in (shop, second):
        page.goto(world.stack.gateway_url)
        page.fill("#shop", name)
        page.click("#prove_shopify")
        page.click("#accept")
        expect(page.locator(f"[data-connection='shopify:{name}']")).to_be_visible()
    page.locator(f"[data-connection='shopify:{second}'] .access").click()
    expect(page.locator(".session")).to_have_count(2)
    page.locator("details.end-sessions summary").click()
    page.locator("details.end-sessions button").click()
    expect(page.locator(".session")).to_have_count(1)
    assert helper.browser.get("/connections", headers={"Accept": "application/json"}).json()["connections"] == []
    page.locator("details.move summary").click()
    page.locator("details.move button").click()
    expect(page.locator("[aria-labelledby=listed]")).to_contain_text(f"together with shopify:{shop}")
    expect(page.locator(".entry").first).to_contain_text("move")


def test_a_person_without_javascript_makes_rotates_and_revokes_a_key(world: World, page: Page) -> None:
    shop = world.make_shop(products=1)
    assert page.context.browser
    plain = page.context.browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"{world.stack.gateway_url}/shopify/{shop}/login")
    plain.click("#accept")
    plain.goto(f"{world.stack.gateway_url}/connections/shopify:{shop}")
    plain.locator("details.make-key summary").click()
    plain.fill("#key_name", "sales bot")
    plain.check("input[name=scope_refresh]")
    plain.select_option("#key_days", "90")
    plain.locator("details.make-key button").click()
    key = plain.locator("#key").inner_text()
    assert key.startswith("msk_") and len(key) == 36
    plain.click("#back")
    expect(plain.locator(".key")).to_contain_text(key[:8])
    expect(plain.locator(".key")).to_contain_text("read, refresh")
    expect(plain.locator("body")).not_to_contain_text(key)
    plain.locator("details.rotate-key summary").click()
    plain.locator("details.rotate-key button").click()
    expect(plain.locator("#key")).not_to_have_text(key)
    plain.click("#back")
    expect(plain.locator(".key")).to_have_count(2)
    plain.locator("details.revoke-keys summary").click()
    plain.locator("details.revoke-keys button").click()
    expect(plain.locator(".key")).to_have_count(0)
