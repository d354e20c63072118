"""Records are read by their ids, in batches that fit, and one record's fault stays its own."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from connector.source import RangeEnd, RecordBatch
from contracts.events import RecordChunk
from platform_sdk.errors import PermanentError, QueryTooExpensiveError, RetryLaterError, TransientError
from platform_sdk.session import SyncContext
from platform_sdk.tokens import AccessToken
from platforms.shopify.errors import FieldError, GraphqlResponse, QueryCost
from platforms.shopify.rate_limit import PointBucket, Query, RateLimitState, ThrottleStatus
from shopify_fetcher.chunked_records import Continuation, UnfinishedRecord
from shopify_fetcher.continuations import read_next_chunk
from shopify_fetcher.cursors import FullReadCursor, IncrementalReadCursor
from shopify_fetcher.full_read import FullRead
from shopify_fetcher.graphql_documents import READ_PRODUCTS
from shopify_fetcher.id_lists import KEYSETS, list_ids
from shopify_fetcher.incremental_read import read_records
from shopify_fetcher.read_session import ReadSession
from shopify_fetcher.record_reader import RecordReader, read_shop

DATA: dict[str, Any] = {"productsCount": {"count": 1, "precision": "EXACT"}}
FULL = ThrottleStatus(2000, 2000, 100)
ALL_SCOPES = frozenset({"read_products", "read_inventory", "read_locations", "read_discounts"})


class Clock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


@dataclass
class FakeClient:
    """Responds from a script: exceptions are raised, responses returned, functions called with the variables."""

    script: list[Any]
    clock: Clock
    takes: float = 0.0
    version: str = "2026-10"
    requests: list[Mapping[str, Any]] = field(default_factory=list)

    async def post(
        self, shop: str, token: str, query: Query, variables: Mapping[str, Any], *, seconds: float
    ) -> GraphqlResponse:
        """The next response of the script; a client that `takes` longer than it may fails when its time is up."""
        self.requests.append(variables)
        self.clock.seconds += min(self.takes, seconds)
        if self.takes > seconds:
            raise TransientError("silent")
        response = self.script.pop(0)
        if callable(response):
            response = response(variables)
        if isinstance(response, Exception):
            raise response
        assert isinstance(response, GraphqlResponse)
        return response


def open_session(*script: Any, mode: str = "incremental", takes: float = 0.0) -> tuple[ReadSession, FakeClient, Clock]:
    clock = Clock()
    client = FakeClient(list(script), clock, takes)
    token = AccessToken("shopify:acme.myshopify.com", 1, "old", ALL_SCOPES)
    context = SyncContext(token, UUID(int=1), mode, replace_token=None, refresh_token=None)  # type: ignore[arg-type]
    session = ReadSession(client, context, RateLimitState(PointBucket(0)), elapsed=clock, sleep=clock.sleep)
    return session, client, clock


def build_response(data: Any = None, *errors: FieldError) -> GraphqlResponse:
    return GraphqlResponse(data or DATA, 5, QueryCost(10, 10, FULL), errors)


@pytest.mark.parametrize(("mode", "seconds"), [("incremental", 6), ("full", 30)])
async def test_a_hang_is_given_up_and_requests_less_the_next_time(mode: str, seconds: float) -> None:
    session, client, clock = open_session(mode=mode, takes=10_000)
    with pytest.raises(RetryLaterError) as raised:
        await RecordReader(session).read_as_many_as_fit("products", PRODUCTS)
    assert clock.seconds <= seconds
    assert (len(client.requests), raised.value.throttled) == (1, False)
    assert session.rate_limit.slow_limits[READ_PRODUCTS.name].ids == 125


LAST_PAGE = {"hasNextPage": False, "endCursor": None}
LOCATIONS = ["gid://shopify/Location/1", "gid://shopify/Location/2"]
PRODUCTS = [f"gid://shopify/Product/{n}" for n in range(1, 251)]


def find_nothing(variables: Mapping[str, Any]) -> GraphqlResponse:
    """Every id is gone."""
    return GraphqlResponse({"nodes": [None] * len(variables["ids"])}, 5)


async def test_null_without_an_error_is_a_tombstone() -> None:
    session, _, _ = open_session(find_nothing)
    result = await RecordReader(session).read_as_many_as_fit("products", PRODUCTS[:1])
    (record,) = result.mapped.records
    assert (record.id, record.body, record.chunk, record.read_at) == (PRODUCTS[0], None, None, 5)


async def test_null_with_access_denied_is_no_tombstone() -> None:
    denied = FieldError(("nodes", 0), "ACCESS_DENIED", "Access denied")
    session, _, _ = open_session(build_response({"nodes": [None, None]}, denied))
    result = await RecordReader(session).read_as_many_as_fit("products", PRODUCTS[:2])
    assert [record.id for record in result.mapped.records] == [PRODUCTS[1]]
    (unreadable,) = result.unreadable
    assert (unreadable.id, unreadable.retryable) == (PRODUCTS[0], False)


OH = FieldError(("nodes", 0, "variants"), "INTERNAL_SERVER_ERROR", "oh")


async def test_a_record_with_an_error_is_requested_by_itself_and_then_read() -> None:
    session, client, _ = open_session(build_response({"nodes": [None, None]}, OH), find_nothing)
    result = await RecordReader(session).read_as_many_as_fit("products", PRODUCTS[:2])
    assert [list(variables["ids"]) for variables in client.requests] == [PRODUCTS[:2], PRODUCTS[:1]]
    assert {record.id for record in result.mapped.records} == set(PRODUCTS[:2])
    assert (result.count, result.unreadable) == (2, [])


async def test_an_error_that_remains_makes_its_record_alone_unreadable() -> None:
    session, _, _ = open_session(build_response({"nodes": [None, None]}, OH), build_response({"nodes": [None]}, OH))
    result = await RecordReader(session).read_as_many_as_fit("products", PRODUCTS[:2])
    assert [record.id for record in result.mapped.records] == [PRODUCTS[1]]
    assert [(unreadable.id, unreadable.retryable) for unreadable in result.unreadable] == [(PRODUCTS[0], True)]


async def test_errors_of_many_records_are_the_platforms_and_wait() -> None:
    errors = [replace(OH, path=("nodes", index)) for index in range(11)]
    session, client, _ = open_session(build_response({"nodes": [None] * 11}, *errors))
    with pytest.raises(RetryLaterError, match="11 records") as raised:
        await RecordReader(session).read_as_many_as_fit("products", PRODUCTS[:11])
    assert (raised.value.throttled, len(client.requests)) == (False, 1)


async def test_an_error_that_remains_is_repeated_by_later_attempts_and_delays_no_other() -> None:
    ids = {"locations": tuple(LOCATIONS), "products": tuple(PRODUCTS[:1])}
    session, _, _ = open_session(
        build_response({"nodes": [None, None]}, OH), build_response({"nodes": [None]}, OH), find_nothing
    )
    steps = [step async for step in read_records(session, ids, None)]
    unreadable, batch, checkpoint, _ = steps
    assert (unreadable.id, unreadable.retryable) == (LOCATIONS[0], False)
    assert [record.id for record in batch.records] == [LOCATIONS[1]]
    retry, _, _ = open_session(find_nothing)
    assert await anext(read_records(retry, ids, checkpoint.cursor)) == unreadable


async def test_a_full_read_fails_with_the_id_of_a_record_whose_error_remains() -> None:
    edges = [{"node": {"id": gid}} for gid in LOCATIONS]
    listed = build_response({"locations": {"edges": edges, "pageInfo": LAST_PAGE}})
    script = [
        listed,
        listed,
        build_response({"nodes": [None, None]}, OH),
        build_response({"nodes": [None]}, OH),
    ]
    session, _, _ = open_session(*script, mode="full")
    with pytest.raises(PermanentError, match=LOCATIONS[0]) as raised:
        _ = [step async for step in FullRead(session, FullReadCursor("locations", phase="listed")).read()]
    assert raised.value.retryable


async def test_a_denial_of_everything_is_permanent() -> None:
    session, _, _ = open_session(build_response({"nodes": [None]}, FieldError(("nodes",), "ACCESS_DENIED", "no")))
    with pytest.raises(PermanentError):
        await RecordReader(session).read_as_many_as_fit("products", PRODUCTS[:1])


@pytest.mark.parametrize(
    ("resource", "gid", "node"),
    [
        ("products", "gid://shopify/Product/7", {"__typename": "Product", "id": "gid://shopify/Product/7"}),
        ("products", "gid://shopify/Product/7", {"__typename": "Product", "id": "gid://shopify/Product/7", "media": 1}),
        ("discounts", "gid://shopify/DiscountCodeNode/7", {"__typename": "DiscountNovelty", "id": "x"}),
        ("discounts", "gid://shopify/DiscountCodeNode/7", {}),
        ("discounts", "gid://shopify/DiscountCodeNode/7", []),
        (
            "discounts",
            "gid://shopify/DiscountCodeNode/7",
            {
                "__typename": "DiscountCodeNode",
                "id": "gid://shopify/DiscountCodeNode/7",
                "codeDiscount": {"__typename": "DiscountCodeNovelty"},
            },
        ),
        ("locations", "gid://shopify/Location/7", {"__typename": "Novelty"}),
    ],
)
async def test_a_record_of_unknown_form_is_left_out_with_its_reason(resource: str, gid: str, node: Any) -> None:
    session, _, _ = open_session(build_response({"nodes": [node]}))
    result = await RecordReader(session).read_as_many_as_fit(resource, [gid])
    (record,) = result.mapped.records
    assert (record.id, record.body, record.read_at, result.unreadable) == (gid, None, 5, [])
    assert record.unreadable.startswith("its form is not known")


async def test_a_record_with_a_lasting_error_of_its_own_is_left_out() -> None:
    error = FieldError(("nodes", 0, "variants"), "BROKEN", "no")
    session, _, _ = open_session(build_response({"nodes": [None, None]}, error))
    result = await RecordReader(session).read_as_many_as_fit("products", PRODUCTS[:2])
    assert [(record.id, record.unreadable) for record in result.mapped.records] == [
        (PRODUCTS[0], "BROKEN: no"),
        (PRODUCTS[1], None),
    ]


async def test_a_full_read_goes_on_after_a_record_of_unknown_form_and_counts_it() -> None:
    page_info = {"hasNextPage": False, "endCursor": "e"}
    listed = {"locations": {"edges": [{"node": {"id": gid}} for gid in LOCATIONS], "pageInfo": page_info}}
    script = [
        *[build_response(listed)] * 2,
        build_response({"nodes": [{"__typename": "Novelty"}, None]}),
    ]
    session, _, _ = open_session(*script, mode="full")
    async with aclosing(FullRead(session, FullReadCursor("locations")).read()) as steps:
        seen: list[Any] = []
        while not seen or not isinstance(seen[-1], RangeEnd):
            seen.append(await anext(steps))
    (batch,) = [step for step in seen if isinstance(step, RecordBatch)]
    assert [(record.id, record.unreadable is not None) for record in batch.records] == [
        (LOCATIONS[0], True),
        (LOCATIONS[1], False),
    ]
    assert seen[-1].sent_count == 2


async def test_the_shop_itself_may_be_of_unknown_form() -> None:
    shop = {"id": "gid://shopify/Shop/1", "myshopifyDomain": "acme.myshopify.com", "name": {"new": "form"}}
    session, _, _ = open_session(build_response({"shop": shop}))
    record = await read_shop(session)
    assert (record.id, record.body, (record.unreadable or "")[:21]) == (shop["id"], None, "its form is not known")


async def test_a_chunk_of_unknown_form_leaves_its_record_out_and_the_others_continue() -> None:
    session, _, _ = open_session(
        build_response({"node": {"codeDiscount": {"codes": {"edges": [{"node": {"novelty": 1}}]}}}}), find_nothing
    )
    cursor = IncrementalReadCursor(0, (CODES,))
    steps = [step async for step in read_records(session, {"products": (PRODUCTS[0],)}, cursor.encode())]
    batches = [step for step in steps if isinstance(step, RecordBatch)]
    (left_out,) = batches[0].records
    assert (left_out.id, left_out.body, left_out.chunk) == (CODES.id, None, None)
    assert "its form is not known" in left_out.unreadable
    assert [record.id for record in batches[1].records] == [PRODUCTS[0]]


async def test_250_ids_are_one_call() -> None:
    session, client, _ = open_session(find_nothing)
    assert (await RecordReader(session).read_as_many_as_fit("products", PRODUCTS)).count == 250
    assert client.requests[0]["variants"] == 250


async def test_ids_that_are_charged_one_by_one_are_requested_in_smaller_batches_and_pages() -> None:
    session, client, _ = open_session(QueryTooExpensiveError("too much", 80_000), find_nothing)
    result = await RecordReader(session).read_as_many_as_fit("products", PRODUCTS)
    assert session.rate_limit.charges_per_id
    assert 1 < result.count < 20
    assert client.requests[1]["variants"] == 10


async def test_a_cost_far_above_the_estimate_means_that_ids_are_charged() -> None:
    session, _, _ = open_session(
        lambda v: GraphqlResponse(find_nothing(v).data, 5, QueryCost(9_000, 500, FULL)), find_nothing
    )
    await RecordReader(session).read_as_many_as_fit("products", PRODUCTS[:100])
    assert session.rate_limit.charges_per_id


async def test_a_response_that_is_too_large_is_requested_by_halves() -> None:
    session, client, _ = open_session(QueryTooExpensiveError("large"), QueryTooExpensiveError("large"), find_nothing)
    assert (await RecordReader(session).read_as_many_as_fit("products", PRODUCTS)).count == 62
    assert [len(variables["ids"]) for variables in client.requests] == [250, 125, 62]


async def test_one_record_that_is_too_large_alone_is_left_out() -> None:
    session, _, _ = open_session(*[QueryTooExpensiveError("large")] * 20)
    result = await RecordReader(session).read_as_many_as_fit("products", PRODUCTS)
    (record,) = result.mapped.records
    assert (result.count, record.id, record.unreadable) == (1, PRODUCTS[0], "large")


async def test_a_token_of_another_shop_is_refused() -> None:
    shop = {
        "id": "gid://shopify/Shop/1",
        "name": "Other",
        "myshopifyDomain": "other.myshopify.com",
        "currencyCode": "EUR",
        "ianaTimezone": "Europe/Berlin",
        "primaryDomain": {"url": "https://other.example"},
    }
    session, _, _ = open_session(build_response({"shop": shop}))
    with pytest.raises(PermanentError, match="another shop"):
        await read_shop(session)


def build_id_page(*gids: str, more: bool = False) -> GraphqlResponse:
    edges = [{"node": {"id": gid}} for gid in gids]
    return build_response({"products": {"edges": edges, "pageInfo": {"hasNextPage": more, "endCursor": "x"}}})


@pytest.mark.parametrize("gids", [[PRODUCTS[4], PRODUCTS[3]], [PRODUCTS[0]], [PRODUCTS[5], PRODUCTS[5]]])
async def test_a_list_that_is_not_in_the_order_of_its_ids_is_refused(gids: list[str]) -> None:
    session, _, _ = open_session(build_id_page(*gids))
    with pytest.raises(PermanentError, match="order"):
        await list_ids(session, KEYSETS["products"], 1, None)


async def test_an_empty_page_is_the_last_whatever_its_page_info() -> None:
    session, _, _ = open_session(build_id_page(more=True))
    assert not (await list_ids(session, KEYSETS["products"], 1, None)).has_more


async def test_a_response_without_a_field_is_refused_by_its_name() -> None:
    session, _, _ = open_session(build_response({"products": {"edges": []}}))
    with pytest.raises(PermanentError, match="pageInfo"):
        await list_ids(session, KEYSETS["products"], 1, None)


CODES = UnfinishedRecord("discounts", "gid://shopify/DiscountCodeNode/1", 5, "c", (Continuation("codes", "x"),))


def build_codes_page(after: str | None) -> GraphqlResponse:
    codes = {"edges": [{"node": {"code": "A"}}], "pageInfo": {"hasNextPage": after is not None, "endCursor": after}}
    return build_response({"node": {"__typename": "DiscountCodeNode", "codeDiscount": {"codes": codes}}})


async def test_a_list_continues_chunk_by_chunk() -> None:
    session, _, _ = open_session(build_codes_page("y"), build_codes_page(None))
    chunk = await read_next_chunk(session, CODES)
    (first,) = chunk.mapped.records
    assert first.chunk == RecordChunk(
        reading_id="c", cursor="codes:x", next_cursor="codes:y", path=("codeDiscount", "codes", "edges")
    )
    assert (first.items, first.body, first.read_at) == (({"node": {"code": "A"}},), None, 5)
    assert first.lookup_values == {"code": ("A",)}
    assert chunk.remaining is not None
    last = await read_next_chunk(session, chunk.remaining)
    assert last.remaining is None
    assert last.mapped.records[0].chunk.is_last


async def test_a_list_that_does_not_continue_is_refused() -> None:
    session, _, _ = open_session(build_codes_page("x"))
    with pytest.raises(PermanentError, match="does not go on"):
        await read_next_chunk(session, CODES)


async def test_a_record_that_is_deleted_while_it_is_read_is_a_tombstone() -> None:
    session, _, _ = open_session(build_response({"node": None}))
    chunk = await read_next_chunk(session, CODES)
    (record,) = chunk.mapped.records
    assert (record.id, record.body, record.chunk, chunk.remaining) == (CODES.id, None, None, None)


async def test_a_record_refused_half_way_is_unreadable_and_the_others_continue() -> None:
    session, _, _ = open_session(
        build_response({"node": None}, FieldError(("node",), "ACCESS_DENIED", "no")), find_nothing
    )
    cursor = IncrementalReadCursor(0, (CODES,))
    steps = [step async for step in read_records(session, {"products": (PRODUCTS[0],)}, cursor.encode())]
    unreadable, _, _, batch = steps
    assert (unreadable.id, unreadable.reason) == (CODES.id, "ACCESS_DENIED: no")
    assert [record.id for record in batch.records] == [PRODUCTS[0]]


async def test_a_list_with_an_error_is_requested_twice_and_then_its_record_is_unreadable() -> None:
    bad = build_response({"node": None}, FieldError(("node",), "INTERNAL_SERVER_ERROR", "oh"))
    session, client, _ = open_session(bad, bad, find_nothing)
    cursor = IncrementalReadCursor(0, (CODES,))
    steps = [step async for step in read_records(session, {"products": (PRODUCTS[0],)}, cursor.encode())]
    assert (steps[0].id, steps[0].retryable, len(client.requests)) == (CODES.id, False, 3)
    assert steps[-1].records[0].id == PRODUCTS[0]
