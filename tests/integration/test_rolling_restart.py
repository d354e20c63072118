"""A deployment loses nothing: all services are replaced, and some are scaled, during a burst of edits."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from contracts.topics import DEAD_LETTER_SUFFIX, list_topics
from load_balancer import LoadBalancer, run_stack_behind_load_balancers
from merchant_sync.parts import SERVICES
from rolling_restart import (
    count_outcomes,
    find_overlaps,
    find_reordering,
    format_phases,
    read_continuously,
    read_work_intervals,
    run_phase,
    watch_objects,
)
from topic_reader import TopicContents
from world import OPEN_STATES, World, wait_until

pytestmark = pytest.mark.integration
SHOPS = 20
PAGES = 12
"""Enough pages that each of three fetchers has some of them."""


@dataclass
class Deployment:
    """A stack whose services are behind load balancers, and what is connected to it."""

    world: World
    balancers: dict[str, list[LoadBalancer]]
    shops: list[str]
    large: str
    pages: list[str]

    def replace(self, service: str) -> None:
        """Replace the only instance of a service by a new one, which is ready before the old one is stopped."""
        old, new = self.world.stack.scale(service, 2)
        for balancer in self.balancers.get(service, []):
            balancer.ready = [new]
        self.world.stack.stop_part(old)

    def scale_up_and_down(self, service: str, maximum: int) -> None:
        """Scale a service from one instance to `maximum`, and back to one once the newest instance has done work.

        The instance that is left is not the one that was there before.
        """
        stack, newest = self.world.stack, service if maximum == 2 else f"{service}-{maximum}"
        before = self._count_work(newest)
        stack.start_part(service)
        stack.scale(service, maximum)
        wait_until(lambda: self._count_work(newest) > before or None, 60)
        stack.scale(service, 1)

    def _count_work(self, instance: str) -> int:
        """Count the log lines of work that an instance has completed."""
        log = self.world.stack.get_log_path(instance)
        text = log.read_bytes() if log.exists() else b""
        return text.count(b'"records fetched"') + text.count(b'"sync result stored"')

    def ensure_full_sync(self) -> None:
        """Start a full sync of the large shop unless one is queued or running."""
        if not {sync.state for sync in self.world.list_shop_syncs(self.large, mode="full")} & OPEN_STATES:
            self.world.poll_shop_now(self.large)


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """Start a stack behind load balancers, and connect everything to it."""
    with run_stack_behind_load_balancers() as (world, balancers):
        yield connect_all(world, balancers)


def connect_all(world: World, balancers: dict[str, list[LoadBalancer]]) -> Deployment:
    """Connect twenty small shops, a large one and the pages of one person, and wait for their first syncs."""
    shops = [world.make_shop(products=10, collections=0, discounts=0, variants=1) for _ in range(SHOPS)]
    large = world.make_shop(products=1000, collections=0)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda shop: world.connect_and_sync(shop, within=120), [large, *shops]))
    pages = [page["id"] for page in world.connect_pages(world.create_person(pages=PAGES)["id"]).pages]
    for balancer in itertools.chain(*balancers.values()):
        # Services that start before the gateway call it without success.
        balancer.refused_count = balancer.cut_count = 0
    return Deployment(world, balancers, shops, large, pages)


def test_replacing_and_scaling_services_during_a_burst_loses_nothing(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    world, stack = deployment.world, deployment.world.stack
    accounts = deployment.shops, deployment.pages
    (readers,) = deployment.balancers["data-api"]
    with watch_objects(world, deployment.shops) as watcher, read_continuously(readers.url) as reader:
        with run_phase(world, "quiet", *accounts, minimum=120) as quiet:
            deployment.ensure_full_sync()
        with run_phase(world, "all services replaced", *accounts, minimum=1000) as replaced:
            for service in SERVICES:
                deployment.ensure_full_sync()
                deployment.replace(service)
        with run_phase(world, "scaled 1, 3, 1", *accounts, minimum=600) as scaled:
            for service, maximum in (("shopify-fetcher", 3), ("facebook-fetcher", 3), ("spaces-writer", 2)):
                deployment.ensure_full_sync()
                deployment.scale_up_and_down(service, maximum)
    wait_until(lambda: None if count_open_syncs(world) else True, 120)
    world.wait_until_equal(deployment.large, within=60)
    contents = TopicContents(stack.environment.build_addresses()["KAFKA_BOOTSTRAP_SERVERS"], list_dead_letter_topics())
    phases = [quiet, replaced, scaled]
    count_outcomes(world, phases, deployment.shops, contents)
    intervals = read_work_intervals(stack)
    with capsys.disabled():
        print(f"\n{format_phases(phases, contents.dead_letter_count, intervals)}")
    for phase in phases:
        assert (phase.lost, phase.without_reason) == (0, 0), phase.name
        assert not phase.refused, phase.name
        assert sum(phase.states.values()) == len(phase.accepted) == len(phase.deliveries)
    assert contents.dead_letter_count == 0
    assert find_overlaps(intervals) == []
    assert find_reordering(contents) == []
    assert watcher.went_back == [] and len(watcher.edition_counts) == SHOPS
    balancers = [balancer for balancers in deployment.balancers.values() for balancer in balancers]
    assert [(b.refused_count, b.cut_count) for b in balancers] == [(0, 0)] * 4
    assert reader.answers.keys() == {"200"}, reader.answers
    assert len({fetcher for values in intervals.values() for *_, fetcher in values}) >= 6


def count_open_syncs(world: World) -> int:
    """Count the syncs of all connections that have not ended."""
    return len(world.select_rows("SELECT 1 FROM scheduler.syncs WHERE state IN ('queued', 'running', 'storing')"))


def list_dead_letter_topics() -> list[str]:
    """List the dead-letter topics."""
    return [topic.name for topic in list_topics(("shopify", "facebook")) if topic.name.endswith(DEAD_LETTER_SUFFIX)]
