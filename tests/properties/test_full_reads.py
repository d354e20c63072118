"""What a full read reports, and what is decided from it, for every way in which a shop can change or lie.

The fetcher reads a model of a shop. Before each response some products are created and some deleted, and the response's
list may leave ids out. The read is abandoned at any point and continues from its last checkpoint. The checks of the
spaces-writer then decide from the events alone.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector import event_builders
from connector.source import Checkpoint, FullReadEnd, IdList, RangeEnd, RecordBatch
from contracts.events import FullReadCompleted, IdsListed, RangeCompleted
from platform_sdk.errors import RetryLaterError
from platform_sdk.session import FULL, SyncContext
from platform_sdk.tokens import AccessToken
from platforms.shopify.errors import GraphqlResponse, QueryCost
from platforms.shopify.rate_limit import PointBucket, Query, RateLimitState, ThrottleStatus
from shopify_fetcher.cursors import FullReadCursor
from shopify_fetcher.full_read import FullRead
from shopify_fetcher.read_session import ReadSession
from spaces_writer.completeness_checks import check_full_read_completeness, check_range_completeness

COST = QueryCost(1, 1, ThrottleStatus(20_000, 20_000, 1_000))
EMPTY_PAGE: dict[str, Any] = {"edges": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
EXACT_ZERO = {"count": 0, "precision": "EXACT"}
MAX_STEPS = 5_000
PROPERTY = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Turn:
    """What happens before one response, and how the response lies.

    `deleted` are positions of products among those that exist; `hidden` are positions within the response's list, as
    shares of its length; `cut` is the share of the list after which it ends.
    """

    created: int = 0
    deleted: tuple[float, ...] = ()
    hidden: tuple[float, ...] = ()
    cut: float = 1.0
    counted: int = 0


@dataclass
class ModelShop:
    """A shop of which only the ids of its products are modelled. It is also the client through which it is read."""

    turns: Iterator[Turn]
    size: int
    now: float = 0.0
    ids: list[int] = field(default_factory=list)
    constant: set[int] = field(default_factory=set)
    version: str = "2026-10"

    def __post_init__(self) -> None:
        self.ids = [10 * (number + 1) for number in range(self.size)]
        self.newest = 10 * self.size
        self.constant = set(self.ids)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    async def post(
        self, shop: str, token: str, query: Query, variables: Mapping[str, Any], *, seconds: float
    ) -> GraphqlResponse:
        """Answer a query about products as the next turn says. There are no other records."""
        turn = next(self.turns, Turn())
        self._change(turn)
        return GraphqlResponse(self._build_data(query.name, variables, turn), round(self.now * 1000), COST)

    def _change(self, turn: Turn) -> None:
        for share in turn.deleted:
            if self.ids:
                self.constant.discard(self.ids.pop(int(share * len(self.ids))))
        for _ in range(turn.created):
            self.newest += 10
            self.ids.append(self.newest)

    def _build_data(self, name: str, variables: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
        if "ids" in variables:
            return {"nodes": [None] * len(variables["ids"])}
        if not name.endswith("Products"):
            return {"collections": EMPTY_PAGE, "newest": EMPTY_PAGE, "collectionsCount": EXACT_ZERO}
        low, high = _parse_bounds(variables["query"])
        matching = [number for number in self.ids if low < number and (high is None or number <= high)]
        shown = _hide(matching, turn)
        return {
            "products": _build_page(shown[:250], has_more=len(shown) > 250),
            "newest": _build_page(shown[-1:], has_more=len(shown) > 1),
            "productsCount": {"count": max(0, len(matching) + turn.counted), "precision": "EXACT"},
        }


def _parse_bounds(search: str) -> tuple[int, int | None]:
    high = re.search(r"id:<=(\d+)", search)
    return int(re.findall(r"id:>(\d+)", search)[0]), int(high[1]) if high else None


def _hide(ids: list[int], turn: Turn) -> list[int]:
    hidden = {int(share * len(ids)) for share in turn.hidden}
    shown = [number for position, number in enumerate(ids) if position not in hidden]
    return shown[: int(turn.cut * len(shown))]


def _build_page(ids: list[int], *, has_more: bool) -> dict[str, Any]:
    edges = [{"node": {"id": f"gid://shopify/Product/{number}"}} for number in ids]
    return {"edges": edges, "pageInfo": {"hasNextPage": has_more, "endCursor": None}}


@dataclass
class Outcome:
    """What a full read published, and what is decided from it."""

    outcome: str
    reason: str | None
    published: set[int]
    attempts: int


def read_and_decide(shop: ModelShop, kills: list[int]) -> Outcome:
    """Read a shop to the end, and decide. `kills` are the numbers of steps at which the read is abandoned."""
    return asyncio.run(_read_and_decide(shop, kills))


async def _read_and_decide(shop: ModelShop, kills: list[int]) -> Outcome:
    token = AccessToken("shopify:acme.myshopify.com", 1, "t", frozenset({"read_products"}))
    context = SyncContext(token, UUID(int=1), FULL, replace_token=None, refresh_token=None)  # type: ignore[arg-type]
    rate_limit = RateLimitState(PointBucket(0))
    skipped = (("shop", "not modelled"), ("locations", "not modelled"))
    cursor = FullReadCursor("products", started_at=1, skipped=skipped).encode()
    events: list[Any] = []
    stored: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    number, is_done = 0, False
    while not is_done:
        session = ReadSession(shop, context, rate_limit, elapsed=lambda: shop.now, sleep=shop.sleep)
        try:
            async with aclosing(FullRead(session, FullReadCursor.decode(cursor)).read()) as steps:
                async for step in steps:
                    number += 1
                    assert number < MAX_STEPS, "the read does not end"
                    match step:
                        case RecordBatch():
                            ids = {record.id for record in step.records}
                            stored[step.resource, step.id_range, step.attempt] |= ids
                        case IdList():
                            events.append(event_builders.build_ids_listed("t", context, step).event)
                        case RangeEnd():
                            events.append(event_builders.build_range_completed("t", context, step).event)
                        case FullReadEnd():
                            events.append(event_builders.build_full_read_completed("t", context, step).event)
                        case Checkpoint():
                            cursor = step.cursor
                    if number in kills:
                        break
                else:
                    is_done = True
        except RetryLaterError as wait:
            shop.now += wait.seconds or 0.0
    return _decide(events, stored)


def _decide(events: list[Any], stored: dict[tuple[str, int, int], set[str]]) -> Outcome:
    """Decide as the spaces-writer does: what is listed but not stored is read directly before a success."""
    statuses, lists = [], dict[tuple[str, int, int], dict[str, IdsListed]]()
    for event in events:
        if isinstance(event, IdsListed):
            lists.setdefault((event.resource, event.id_range, event.attempt), {})[event.after] = event
        if isinstance(event, RangeCompleted):
            key = event.resource, event.id_range, event.attempt
            listed = list(lists.get(key, {}).values())
            statuses.append(check_range_completeness(event, len(stored[key]), listed))
    ended = next(event for event in events if isinstance(event, FullReadCompleted))
    result = check_full_read_completeness(ended.id_ranges, statuses)
    listed_ids = {gid for by_bound in lists.values() for listed in by_bound.values() for gid in listed.ids}
    read_directly = listed_ids if result.outcome == "success" else set()
    published = {int(gid.rpartition("/")[2]) for gid in set().union(*stored.values()) | read_directly}
    return Outcome(result.outcome, result.reason, published, max(status.attempt for status in statuses))


SHARES = st.floats(0, 0.999)
CHANGES = st.builds(Turn, created=st.integers(0, 30), deleted=st.lists(SHARES, max_size=30).map(tuple))
LIES = st.builds(
    Turn,
    created=st.integers(0, 3),
    deleted=st.lists(SHARES, max_size=3).map(tuple),
    hidden=st.lists(SHARES, max_size=3).map(tuple),
    cut=st.sampled_from((1.0, 1.0, 0.5, 0.0)) | st.floats(0, 1),
)
SIZES = st.integers(0, 700)
KILLS = st.lists(st.integers(1, 40), max_size=6)


@PROPERTY
@given(SIZES, st.lists(CHANGES, max_size=60), KILLS)
def test_a_truthful_shop_succeeds_at_the_first_attempt_whatever_comes_and_goes(
    size: int, turns: list[Turn], kills: list[int]
) -> None:
    shop = ModelShop(iter(turns), size)
    result = read_and_decide(shop, kills)
    assert (result.outcome, result.reason, result.attempts) == ("success", None, 1)
    assert shop.constant <= result.published


@PROPERTY
@given(SIZES, st.lists(LIES, max_size=60), KILLS)
def test_a_success_is_complete_whatever_the_lists_leave_out(size: int, turns: list[Turn], kills: list[int]) -> None:
    shop = ModelShop(iter(turns), size)
    result = read_and_decide(shop, kills)
    assert result.outcome != "success" or shop.constant <= result.published


@PROPERTY
@given(SIZES, st.lists(CHANGES, max_size=60), st.lists(st.integers(-5, 5), max_size=60), KILLS)
def test_a_success_is_complete_whatever_the_counts_are(
    size: int, turns: list[Turn], offsets: list[int], kills: list[int]
) -> None:
    wrong = [Turn(turn.created, turn.deleted, counted=offset) for turn, offset in zip(turns, offsets, strict=False)]
    shop = ModelShop(iter(wrong), size)
    result = read_and_decide(shop, kills)
    assert result.outcome != "success" or shop.constant <= result.published


@PROPERTY
@given(st.integers(1, 700), st.floats(0, 0.998), KILLS)
def test_a_list_that_is_always_cut_at_one_place_fails_and_the_reason_names_the_range(
    size: int, cut: float, kills: list[int]
) -> None:
    result = read_and_decide(ModelShop(_repeat(Turn(cut=cut)), size), kills)
    assert result.outcome == "failed"
    assert re.search(r"^products( with ids .*)?: the platform lists \d+ and counts \d+$", result.reason or "")


@PROPERTY
@given(st.integers(0, 700), st.integers(-5, 5).filter(bool), KILLS)
def test_a_count_that_is_always_wrong_fails(size: int, offset: int, kills: list[int]) -> None:
    result = read_and_decide(ModelShop(_repeat(Turn(counted=offset)), max(size, 6)), kills)
    assert result.outcome == "failed"


def _repeat(turn: Turn) -> Iterator[Turn]:
    while True:
        yield turn
