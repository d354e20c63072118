"""SIGKILL before and after each effect of each service, and fifty at random: nothing lost, doubled or stuck."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from merchant_sync.demo.shopify_sandbox import ConnectedShop
from merchant_sync.stack import Stack, StackError
from world import JARS, OPEN, SETTINGS, World, until

pytestmark = pytest.mark.integration
HERE = Path(__file__).parent
POINTS = [
    (service, effect, when)
    for service, effects in {
        "gateway": ("publish", "commit", "call"),
        "scheduler": ("publish", "commit", "call", "offsets"),
        "shopify-fetcher": ("publish", "call", "offsets"),
        "spaces-writer": ("publish", "commit", "bucket", "offsets"),
    }.items()
    for effect in effects
    for when in ("before", "after")
]
READING_PAGES = [(effect, when) for effect in ("publish", "call", "offsets") for when in ("before", "after")]
LETTING_GO = [
    (service, effect, when)
    for service, effect in (("gateway", "commit"), ("scheduler", "commit"), ("spaces-writer", "bucket"))
    for when in ("before", "after")
]
RESTART_WITHIN = 60.0
"""How much later than undisturbed everything must be right, in seconds."""


@pytest.fixture(scope="module")
def mortal(request: pytest.FixtureRequest) -> Iterator[tuple[World, Path]]:
    """A stack whose services carry kill points, and the folder in which they are armed."""
    with TemporaryDirectory(prefix="merchant-sync-") as folder, pytest.MonkeyPatch.context() as environment:
        armed = Path(folder) / "armed"
        armed.mkdir()
        environment.setenv("KILL_POINTS", str(armed))
        environment.setenv("PYTHONPATH", os.pathsep.join([str(HERE / "killpoints"), os.environ.get("PYTHONPATH", "")]))
        with (
            Stack(Path(folder) / "data", given=SETTINGS, auto_restart=False, cache_dir=JARS) as stack,
            World(stack) as world,
        ):
            yield world, armed


@pytest.fixture(scope="module")
def connected(mortal: tuple[World, Path]) -> ConnectedShop:
    world, _ = mortal
    return world.synced(world.make_shop(products=60, variants=2, plan="plus", collections=0))


@pytest.mark.parametrize(("service", "effect", "when"), POINTS)
def test_killed_around_an_effect(
    mortal: tuple[World, Path], connected: ConnectedShop, service: str, effect: str, when: str
) -> None:
    world, armed = mortal
    shop = connected.shop
    (armed / service).write_text(f"{effect} {when}")
    products = world.products(shop, 20)
    for product in products[:5]:
        world.edit(shop, product["number"], title=f"{effect} {when} {product['number']}")
    world.poll_now(shop)
    until(lambda: not world.stack.is_running(service) or None, 30)
    world.stack.start_part(service)
    assert not (armed / service).exists()
    world.equal(shop, within=RESTART_WITHIN)
    until(lambda: world.told("GET", f"/{shop}/statistics")["pending_deliveries"] == 0 or None, 60)
    world.settled(shop, within=RESTART_WITHIN)
    world.equal(shop)
    balance(world, shop)


@pytest.mark.parametrize(("effect", "when"), READING_PAGES)
def test_killed_around_an_effect_of_reading_pages(mortal: tuple[World, Path], effect: str, when: str) -> None:
    world, armed = mortal
    (page,) = world.connect_pages(world.person(pages=1)["id"]).pages
    (armed / "facebook-fetcher").write_text(f"{effect} {when}")
    world.edit_page(page["id"], name=f"{effect} {when}", about="Only the poll tells")
    world.poll_soon(page["connection"])
    until(lambda: not world.stack.is_running("facebook-fetcher") or None, 30)
    world.stack.start_part("facebook-fetcher")
    world.page_equal(page["id"], within=RESTART_WITHIN)
    until(lambda: not {s.state for s in world.syncs_of(page["connection"])} & OPEN or None, RESTART_WITHIN)
    assert {s.state for s in world.syncs_of(page["connection"])} == {"success"}


@pytest.mark.parametrize(("service", "effect", "when"), LETTING_GO)
def test_killed_around_an_effect_of_letting_go(
    mortal: tuple[World, Path], service: str, effect: str, when: str
) -> None:
    world, armed = mortal
    person = world.person(pages=2)
    pages = world.connect_pages(person["id"]).pages
    world.meta("POST", f"/users/{person['id']}/remove_app")
    (armed / service).write_text(f"{effect} {when}")
    told = world.meta("POST", f"/users/{person['id']}/delete_data")
    until(lambda: not world.stack.is_running(service) or None, 30)
    world.stack.start_part(service)
    if told["status"] != 200:  # nobody said that it was taken: it is asked for once more
        world.meta("POST", f"/users/{person['id']}/delete_data")
    for page in pages:
        until(lambda p=page: world.page_object(p["id"]) is None or None, RESTART_WITHIN)
        assert world.state_of(page["connection"]) == "redacted"
        assert not world.rows("SELECT 1 FROM spaces_writer.records WHERE connection = :c", c=page["connection"])
        until(lambda p=page: not world.syncs_of(p["connection"]) or None)


def balance(world: World, shop: str) -> Counter[str]:
    """The ledger rule: every accepted delivery is covered by one sync, which has ended well or says why."""
    accepted = {
        d["id"]
        for d in world.told("GET", f"/{shop}/deliveries", limit=100_000)["deliveries"]
        if d["status"] == "delivered" and d["topic"] != "APP_UNINSTALLED"
    }

    def entered() -> list[Any] | None:
        """A scheduler that was killed hears its requests when Kafka has given up its predecessor, seconds later."""
        syncs = [s for s in world.syncs(shop, mode="incremental") if s.cause == "webhook"]
        return syncs if len(syncs) >= len(accepted) else None

    syncs = until(entered, RESTART_WITHIN)
    world.settled(shop, within=RESTART_WITHIN)
    assert not [s for s in world.syncs(shop) if s.state in OPEN]
    assert len({s.sync_id for s in syncs}) == len(syncs)
    without_reason = [s for s in syncs if s.state != "success" and not s.reason]
    assert not without_reason
    return Counter(s.state for s in syncs)


def test_fifty_random_kills_in_a_first_sync_and_a_burst(
    mortal: tuple[World, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    world, _ = mortal
    seed = int(os.environ.get("KILL_SEED", "20261124"))
    undisturbed = first_sync_and_burst(world)
    with ThreadPoolExecutor(1) as killer:
        done = killer.submit(kill_at_random, world, random.Random(seed), 50)
        disturbed = first_sync_and_burst(world, done.done)
        kills = done.result()
    lateness = disturbed[1] - max(undisturbed[1], kills[1])
    ledger = balance(world, disturbed[0])
    assert ledger["success"] >= 900, ledger
    with capsys.disabled():
        print(
            f"\n50 kills, seed {seed}: {dict(kills[0])} in {kills[1]:.1f} s; undisturbed {undisturbed[1]:.1f} s;"
            f" right {lateness:.1f} s after the later of the two; ledger {dict(ledger)}"
        )
    assert lateness < RESTART_WITHIN


def first_sync_and_burst(world: World, settled: object = None) -> tuple[str, float]:
    """Connect 2,000 products on Plus and burst 1,000 edits into the first sync; seconds until all is right."""
    began = time.monotonic()
    shop = world.make_shop(products=2000, variants=2, plan="plus", collections=0)
    connected = connect_through(world, shop)
    until(lambda: len(world.told("GET", f"/{shop}/subscriptions")["subscriptions"]) > 20 or None, 60)
    world.told("POST", f"/{shop}/burst", {"edits": 1000, "products": 400, "seed": 5})
    assert ended_through(world, connected)["state"] == "success"
    if callable(settled):
        until(lambda: settled() or None, 300)
    until(lambda: world.told("GET", f"/{shop}/statistics")["pending_deliveries"] == 0 or None, 120)
    world.settled(shop, within=120)
    world.equal(shop, within=120)
    return shop, time.monotonic() - began


def connect_through(world: World, shop: str) -> ConnectedShop:
    """Connect while the gateway may be down: a merchant tries again."""

    def attempt() -> ConnectedShop | None:
        try:
            return world.connect(shop)
        except (httpx.HTTPError, StackError):
            return None

    return until(attempt, 60)


def ended_through(world: World, connected: ConnectedShop) -> dict[str, object]:
    """The first sync's end, read from the ledger: the gateway may be down."""

    def ended() -> dict[str, object] | None:
        rows = world.rows("SELECT state, reason FROM scheduler.syncs WHERE sync_id = :i", i=connected.sync_id)
        return dict(rows[0]._mapping) if rows and rows[0].state not in OPEN else None

    return until(ended, 300)


def kill_at_random(world: World, chance: random.Random, count: int) -> tuple[Counter[str], float]:
    """SIGKILL random services at random moments, each started again at once."""
    began, killed = time.monotonic(), Counter[str]()
    for _ in range(count):
        time.sleep(chance.uniform(0.2, 2.0))
        service = chance.choice(["gateway", "scheduler", "spaces-writer", "shopify-fetcher"])
        world.stack.kill(service)
        killed[service] += 1
        world.stack.start_part(service, wait=False)
    return killed, time.monotonic() - began
