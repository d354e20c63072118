"""Deploys lose nothing: every service is rolled, and fetchers and writer are scaled, in the middle of a burst."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from balancing import Balancer
from contracts.topics import DEAD_LETTER_SUFFIX, list_topics
from hearing import Heard
from merchant_sync.stack import Stack
from rolling import at_once, count, ledger, out_of_order, phase, watching, workings
from world import JARS, OPEN, SETTINGS, World, until

pytestmark = pytest.mark.integration
SERVICES = ["gateway", "scheduler", "spaces-writer", "shopify-fetcher", "facebook-fetcher"]
SHOPS = 20
PAGES = 12
"""So many that each of three fetchers has some of them."""


@dataclass
class Deployed:
    """A stack whose services stand behind addresses of their own, and who is connected to it."""

    world: World
    balancers: dict[str, list[Balancer]]
    shops: list[str]
    large: str
    pages: list[str]

    def roll(self, service: str) -> None:
        """Replace the one instance by another, which is ready before the old one is asked to end."""
        old, new = self.world.stack.scale(service, 2)
        for balancer in self.balancers.get(service, []):
            balancer.ready = [new]
        self.world.stack.stop_part(old)

    def scale(self, service: str, most: int) -> None:
        """From the one that the roll has left to `most`, and once all of them work, down to one again: another."""
        stack, newest = self.world.stack, service if most == 2 else f"{service}-{most}"
        before = self._done_by(newest)
        stack.start_part(service)
        stack.scale(service, most)
        until(lambda: self._done_by(newest) > before or None, 60)
        stack.scale(service, 1)

    def _done_by(self, instance: str) -> int:
        log = self.world.stack.get_log_path(instance)
        told = log.read_bytes() if log.exists() else b""
        return told.count(b'"records fetched"') + told.count(b'"sync result stored"')

    def walking(self) -> None:
        """See to it that a walk of the large shop is under way."""
        if not {sync.state for sync in self.world.syncs(self.large, mode="full")} & OPEN:
            self.world.poll_now(self.large)


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    """Its webhooks and its inner calls go through balancers, as they do where a service has several instances."""
    with ExitStack() as entered:
        folder = entered.enter_context(TemporaryDirectory(prefix="merchant-sync-"))
        public, internal, scheduler = (
            entered.enter_context(Balancer(setting, service))
            for setting, service in (
                ("GATEWAY_PORT", "gateway"),
                ("GATEWAY_INTERNAL_PORT", "gateway"),
                ("PORT", "scheduler"),
            )
        )
        given = {
            **SETTINGS,
            "SHOPIFY_WEBHOOK_ADDRESS": f"{public.url}/shopify/webhook",
            "FACEBOOK_WEBHOOK_ADDRESS": f"{public.url}/facebook/webhook",
            "GATEWAY_INTERNAL_URL": internal.url,
            "SCHEDULER_URL": scheduler.url,
        }
        stack = Stack(Path(folder) / "data", given=given, auto_restart=False, cache_dir=JARS)
        for balancer in (public, internal, scheduler):
            balancer.stand_before(stack)
        entered.enter_context(stack)
        world = entered.enter_context(World(stack))
        yield connected(world, {"gateway": [public, internal], "scheduler": [scheduler]})


def connected(world: World, balancers: dict[str, list[Balancer]]) -> Deployed:
    """Twenty small shops, a large one, and the pages of one person, all synced."""
    shops = [world.make_shop(products=10, collections=0, discounts=0, variants=1) for _ in range(SHOPS)]
    large = world.make_shop(products=1000, collections=0)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda shop: world.synced(shop, within=120), [large, *shops]))
    pages = [page["id"] for page in world.connect_pages(world.person(pages=PAGES)["id"]).pages]
    for balancer in itertools.chain(*balancers.values()):
        balancer.refused = balancer.cut = 0  # services that start before the gateway ask for it in vain
    return Deployed(world, balancers, shops, large, pages)


def test_rolling_and_scaling_in_the_middle_of_a_burst_lose_nothing(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    world, stack = deployed.world, deployed.world.stack
    around = deployed.shops, deployed.pages
    with watching(world, deployed.shops) as watch:
        with phase(world, "quiet", *around, least=120) as quiet:
            deployed.walking()
        with phase(world, "all services rolled", *around, least=1000) as rolled:
            for service in SERVICES:
                deployed.walking()
                deployed.roll(service)
        with phase(world, "scaled 1, 3, 1", *around, least=600) as scaled:
            for service, most in (("shopify-fetcher", 3), ("facebook-fetcher", 3), ("spaces-writer", 2)):
                deployed.walking()
                deployed.scale(service, most)
    until(lambda: None if open_syncs(world) else True, 120)
    world.equal(deployed.large, within=60)
    heard = Heard(stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"], dead_letter_topics())
    phases = [quiet, rolled, scaled]
    count(world, phases, deployed.shops, heard)
    worked = workings(stack)
    with capsys.disabled():
        print(f"\n{ledger(phases, heard.dead, worked)}")
    for made in phases:
        assert (made.lost, made.without_reason) == (0, 0), made.name
        assert not made.refused, made.name
        assert sum(made.states.values()) == len(made.accepted) == len(made.deliveries)
    assert heard.dead == 0
    assert at_once(worked) == []
    assert out_of_order(heard) == []
    assert watch.went_back == [] and len(watch.seen) == SHOPS
    assert [(b.refused, b.cut) for those in deployed.balancers.values() for b in those] == [(0, 0)] * 3
    assert len({who for those in worked.values() for *_, who in those}) >= 6


def open_syncs(world: World) -> int:
    """How many syncs have not ended, of all connections."""
    return len(world.rows("SELECT 1 FROM scheduler.syncs WHERE state IN ('queued', 'running')"))


def dead_letter_topics() -> list[str]:
    """Where all that was not understood would be."""
    return [topic.name for topic in list_topics(("shopify", "facebook")) if topic.name.endswith(DEAD_LETTER_SUFFIX)]
