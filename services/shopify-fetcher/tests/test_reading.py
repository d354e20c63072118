"""A conversation keeps to the budget, tries again a little, and never sleeps for long."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from connector.source import SyncContext
from connector.tokens import AccessToken
from contracts.events import RecordChunk
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError
from shopify_fetcher.answers import Answer, Cost, FieldError, Pause, Throttled, TokenRefused, TooCostly, Unwell
from shopify_fetcher.bodies import Bodies, read_shop
from shopify_fetcher.budget import Budget, Status
from shopify_fetcher.chains import Chain, Rest
from shopify_fetcher.conversation import Conversation
from shopify_fetcher.cursors import ReadPlace, WalkPlace
from shopify_fetcher.documents import COUNT_PRODUCTS, READ_PRODUCTS, Document
from shopify_fetcher.listings import next_piece
from shopify_fetcher.memory import ShopMemory
from shopify_fetcher.reads import read
from shopify_fetcher.walks import Walk
from shopify_fetcher.windows import KEYSETS, list_ids

DATA: dict[str, Any] = {"productsCount": {"count": 1, "precision": "EXACT"}}
FULL = Status(2000, 2000, 100)
NO_SHOPS_SCOPES = frozenset({"read_products", "read_inventory", "read_locations", "read_discounts"})


class Clock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.at += seconds


@dataclass
class Client:
    """Answers from a script: exceptions are raised, answers given, functions asked."""

    script: list[Any]
    clock: Clock
    takes: float = 0.0
    version: str = "2026-10"
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    async def post(
        self, shop: str, token: str, document: Document, variables: Mapping[str, Any], *, seconds: float
    ) -> Answer:
        """The next of the script; a client that `takes` longer than it may is unwell when its time is up."""
        self.asked.append((token, variables))
        self.seconds.append(seconds)
        self.clock.at += min(self.takes, seconds)
        if self.takes > seconds:
            raise Unwell("silent")
        answer = self.script.pop(0)
        if callable(answer):
            answer = answer(variables)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Answer)
        return answer


def talk(
    *script: Any, lane: str = "quick", takes: float = 0.0, renew: Any = None, anew: Any = None
) -> tuple[Conversation, Client, Clock]:
    clock = Clock()
    client = Client(list(script), clock, takes)
    access = AccessToken("shopify:acme.myshopify.com", 1, "old", NO_SHOPS_SCOPES)
    errand = SyncContext(access, UUID(int=1), lane, renew, anew)
    memory = ShopMemory(Budget(0))
    conversation = Conversation(client, errand, "acme.myshopify.com", memory, elapsed=clock, sleep=clock.sleep)
    return conversation, client, clock


def answer(data: Any = None, *errors: FieldError, requested: float = 10, actual: float = 10) -> Answer:
    return Answer(data or DATA, 5, Cost(requested, actual, FULL), errors)


async def count(conversation: Conversation) -> Answer:
    return await conversation.ask(COUNT_PRODUCTS, {"query": "id:>0"})


async def test_calls_and_points_are_counted() -> None:
    conversation, _, _ = talk(answer(actual=7))
    assert (await count(conversation)).data == DATA
    assert (conversation.errand.calls, conversation.errand.points) == (1, 7)


async def test_a_platform_that_is_unwell_is_asked_again_a_few_times() -> None:
    conversation, _, clock = talk(Unwell("503"), Unwell("503"), answer())
    await count(conversation)
    assert 0 < sum(clock.slept) < 5
    conversation, client, clock = talk(*[Unwell("503")] * 9)
    with pytest.raises(RetryLaterError, match="503"):
        await count(conversation)
    assert len(client.asked) == 4
    assert sum(clock.slept) < 6


async def test_a_platform_that_is_silent_is_not_asked_again_at_once() -> None:
    conversation, client, _ = talk(Unwell("silent"), takes=15)
    with pytest.raises(RetryLaterError, match="silent"):
        await count(conversation)
    assert len(client.asked) == 1


@pytest.mark.parametrize(("lane", "seconds"), [("incremental", 6), ("full", 30)])
async def test_a_hang_is_given_up_and_asked_for_less_the_next_time(lane: str, seconds: float) -> None:
    conversation, client, clock = talk(lane=lane, takes=10_000)
    with pytest.raises(RetryLaterError) as raised:
        await Bodies(conversation).read("products", PRODUCTS)
    assert clock.at <= seconds
    assert (len(client.asked), raised.value.throttled) == (1, False)
    assert conversation.memory.most[READ_PRODUCTS.name] == 125


async def test_a_hang_after_other_failures_holds_up_the_quick_lane_no_longer() -> None:
    def hang(_: Mapping[str, Any]) -> Answer:
        client.clock.at += client.seconds[-1]
        raise Unwell("silent")

    conversation, client, clock = talk(Unwell("503"), Unwell("503"), hang, hang)
    with pytest.raises(RetryLaterError):
        await count(conversation)
    assert 5 <= clock.at <= 6


async def test_a_short_pause_is_slept_and_a_long_one_postponed() -> None:
    conversation, _, clock = talk(Pause(429, 1.0), answer())
    await count(conversation)
    assert clock.slept == [1.0]
    conversation, _, clock = talk(Pause(429, 40.0))
    with pytest.raises(RetryLaterError) as raised:
        await count(conversation)
    assert (raised.value.seconds, raised.value.throttled, clock.slept) == (40.0, True, [])


async def test_after_a_throttle_the_bucket_is_believed_to_be_as_empty_as_said() -> None:
    conversation, _, _ = talk(Throttled(10, Status(2000, 0, 1)), answer())
    with pytest.raises(RetryLaterError) as raised:
        await count(conversation)
    assert raised.value.throttled
    assert raised.value.seconds == pytest.approx(10, abs=1)


async def test_a_walk_waits_for_its_half_and_a_webhook_does_not() -> None:
    for lane, waits in (("full", True), ("incremental", False)):
        conversation, _, clock = talk(answer(), lane=lane)
        conversation.memory.budget.reserve(1_050, 0)
        await count(conversation)
        assert bool(clock.slept) is waits


@pytest.mark.parametrize(("lane", "seconds"), [("full", 18.0), ("incremental", 3.3)])
async def test_a_walk_that_must_wait_waits_for_several_questions(lane: str, seconds: float) -> None:
    conversation, _, _ = talk(lane=lane)
    conversation.memory.budget.learn(Status(2000, 0, 100), 0)
    variables = {"ids": PRODUCTS, **conversation.variables(READ_PRODUCTS)}
    with pytest.raises(RetryLaterError) as raised:
        await conversation.ask(READ_PRODUCTS, variables)
    assert raised.value.throttled
    assert raised.value.seconds == pytest.approx(seconds, abs=0.5)


async def test_a_refused_token_is_reported_and_the_new_one_used() -> None:
    reported = []

    async def renew(access: AccessToken) -> AccessToken:
        reported.append(access.token)
        return AccessToken(access.connection, 1, "new", access.scopes)

    conversation, client, _ = talk(TokenRefused(), answer(), renew=renew)
    await count(conversation)
    assert reported == ["old"]
    assert [token for token, _ in client.asked] == ["old", "new"]


async def test_an_ended_grant_ends_the_conversation() -> None:
    async def renew(_: AccessToken) -> AccessToken:
        raise ConnectionEndedError("uninstalled")

    conversation, _, _ = talk(TokenRefused(), renew=renew)
    with pytest.raises(ConnectionEndedError):
        await count(conversation)


async def test_a_token_of_a_higher_epoch_begins_the_work_anew() -> None:
    async def renew(access: AccessToken) -> AccessToken:
        return AccessToken(access.connection, 2, "new")

    conversation, _, _ = talk(TokenRefused(), renew=renew)
    with pytest.raises(RetryLaterError) as raised:
        await count(conversation)
    assert (raised.value.reason, raised.value.seconds) == (None, 0), "it goes on at once, and nothing was in vain"
    assert conversation.errand.token.epoch == 1, "what was read before is said under its own epoch"


LAST_PAGE = {"hasNextPage": False, "endCursor": None}
LOCATIONS = ["gid://shopify/Location/1", "gid://shopify/Location/2"]
PRODUCTS = [f"gid://shopify/Product/{n}" for n in range(1, 251)]


def nothing(variables: Mapping[str, Any]) -> Answer:
    """Every id is gone."""
    return Answer({"nodes": [None] * len(variables["ids"])}, 5)


async def test_null_without_an_error_is_gone() -> None:
    conversation, _, _ = talk(nothing)
    found = await Bodies(conversation).read("products", PRODUCTS[:1])
    (record,) = found.built.records
    assert (record.id, record.body, record.chunk, record.read_at) == (PRODUCTS[0], None, None, 5)


async def test_null_with_access_denied_is_not_gone() -> None:
    denied = FieldError(("nodes", 0), "ACCESS_DENIED", "Access denied")
    conversation, _, _ = talk(answer({"nodes": [None, None]}, denied))
    found = await Bodies(conversation).read("products", PRODUCTS[:2])
    assert [record.id for record in found.built.records] == [PRODUCTS[1]]
    (unread,) = found.unread
    assert (unread.id, unread.retryable) == (PRODUCTS[0], False)


OH = FieldError(("nodes", 0, "variants"), "INTERNAL_SERVER_ERROR", "oh")


async def test_what_has_an_error_is_asked_for_by_itself_and_then_read() -> None:
    conversation, client, _ = talk(answer({"nodes": [None, None]}, OH), nothing)
    found = await Bodies(conversation).read("products", PRODUCTS[:2])
    assert [list(variables["ids"]) for _, variables in client.asked] == [PRODUCTS[:2], PRODUCTS[:1]]
    assert {record.id for record in found.built.records} == set(PRODUCTS[:2])
    assert (found.count, found.unread) == (2, [])


async def test_an_error_that_stays_leaves_its_record_alone_unread() -> None:
    conversation, _, _ = talk(answer({"nodes": [None, None]}, OH), answer({"nodes": [None]}, OH))
    found = await Bodies(conversation).read("products", PRODUCTS[:2])
    assert [record.id for record in found.built.records] == [PRODUCTS[1]]
    assert [(unread.id, unread.retryable) for unread in found.unread] == [(PRODUCTS[0], True)]


async def test_errors_of_many_records_are_the_platforms_and_wait() -> None:
    errors = [replace(OH, path=("nodes", index)) for index in range(11)]
    conversation, client, _ = talk(answer({"nodes": [None] * 11}, *errors))
    with pytest.raises(RetryLaterError, match="11 records") as raised:
        await Bodies(conversation).read("products", PRODUCTS[:11])
    assert (raised.value.throttled, len(client.asked)) == (False, 1)


async def test_an_error_that_stays_is_said_again_by_later_tries_and_holds_up_no_other() -> None:
    ids = {"locations": tuple(LOCATIONS), "products": tuple(PRODUCTS[:1])}
    conversation, _, _ = talk(answer({"nodes": [None, None]}, OH), answer({"nodes": [None]}, OH), nothing)
    said = [reading async for reading in read(conversation, ids, None)]
    unread, batch, reached, _ = said
    assert (unread.id, unread.retryable) == (LOCATIONS[0], False)
    assert [record.id for record in batch.records] == [LOCATIONS[1]]
    again, _, _ = talk(nothing)
    assert await anext(read(again, ids, reached.cursor)) == unread


async def test_a_walk_fails_by_the_name_of_a_record_whose_error_stays() -> None:
    script = [
        answer({"locations": {"edges": [{"node": {"id": gid}} for gid in LOCATIONS], "pageInfo": LAST_PAGE}}),
        answer({"nodes": [None, None]}, OH),
        answer({"nodes": [None]}, OH),
    ]
    conversation, _, _ = talk(*script, lane="full")
    with pytest.raises(PermanentError, match=LOCATIONS[0]) as raised:
        _ = [step async for step in Walk(conversation, WalkPlace("locations", opened=True)).steps()]
    assert raised.value.retryable


async def test_a_denial_of_everything_is_a_refusal() -> None:
    conversation, _, _ = talk(answer({"nodes": [None]}, FieldError(("nodes",), "ACCESS_DENIED", "no")))
    with pytest.raises(PermanentError):
        await Bodies(conversation).read("products", PRODUCTS[:1])


async def test_an_answer_in_no_known_form_is_unread_and_told() -> None:
    conversation, _, _ = talk(answer({"nodes": [{"__typename": "Product", "id": PRODUCTS[0]}]}))
    found = await Bodies(conversation).read("products", PRODUCTS[:1])
    assert found.built.records == []
    assert "its form is not known" in found.unread[0].reason


async def test_250_ids_are_one_call() -> None:
    conversation, client, _ = talk(nothing)
    assert (await Bodies(conversation).read("products", PRODUCTS)).count == 250
    assert client.asked[0][1]["variants"] == 250


async def test_ids_that_are_charged_one_by_one_are_asked_for_in_smaller_batches_and_pages() -> None:
    conversation, client, _ = talk(TooCostly("too much", 80_000), nothing)
    found = await Bodies(conversation).read("products", PRODUCTS)
    assert conversation.memory.linear
    assert 1 < found.count < 20
    assert client.asked[1][1]["variants"] == 10


async def test_a_price_far_above_the_expected_teaches_that_ids_are_charged() -> None:
    conversation, _, _ = talk(lambda v: Answer(nothing(v).data, 5, Cost(9_000, 500, FULL)), nothing)
    await Bodies(conversation).read("products", PRODUCTS[:100])
    assert conversation.memory.linear


async def test_an_answer_too_large_is_asked_for_by_halves() -> None:
    conversation, client, _ = talk(TooCostly("large"), TooCostly("large"), nothing)
    assert (await Bodies(conversation).read("products", PRODUCTS)).count == 62
    assert [len(variables["ids"]) for _, variables in client.asked] == [250, 125, 62]


async def test_one_record_that_is_too_large_alone_is_unread() -> None:
    conversation, _, _ = talk(*[TooCostly("large")] * 20)
    found = await Bodies(conversation).read("products", PRODUCTS)
    assert (found.count, found.unread[0].id) == (1, PRODUCTS[0])


async def test_a_token_of_another_shop_is_refused() -> None:
    shop = {
        "id": "gid://shopify/Shop/1",
        "name": "Other",
        "myshopifyDomain": "other.myshopify.com",
        "currencyCode": "EUR",
        "ianaTimezone": "Europe/Berlin",
        "primaryDomain": {"url": "https://other.example"},
    }
    conversation, _, _ = talk(answer({"shop": shop}))
    with pytest.raises(PermanentError, match="another shop"):
        await read_shop(conversation)


def ids_page(*gids: str, more: bool = False) -> Answer:
    edges = [{"node": {"id": gid}} for gid in gids]
    return answer({"products": {"edges": edges, "pageInfo": {"hasNextPage": more, "endCursor": "x"}}})


@pytest.mark.parametrize("gids", [[PRODUCTS[4], PRODUCTS[3]], [PRODUCTS[0]], [PRODUCTS[5], PRODUCTS[5]]])
async def test_a_list_that_is_not_in_the_order_of_its_ids_is_refused(gids: list[str]) -> None:
    conversation, _, _ = talk(ids_page(*gids))
    with pytest.raises(PermanentError, match="order"):
        await list_ids(conversation, KEYSETS["products"], 1, None)


async def test_an_empty_page_is_the_last_whatever_it_says() -> None:
    conversation, _, _ = talk(ids_page(more=True))
    assert not (await list_ids(conversation, KEYSETS["products"], 1, None)).more


async def test_an_answer_without_its_field_is_refused_by_name() -> None:
    conversation, _, _ = talk(answer({"products": {"edges": []}}))
    with pytest.raises(PermanentError, match="pageInfo"):
        await list_ids(conversation, KEYSETS["products"], 1, None)


CODES = Chain("discounts", "gid://shopify/DiscountCodeNode/1", 5, "c", (Rest("codes", "x"),))


def codes_page(after: str | None) -> Answer:
    codes = {"edges": [{"node": {"code": "A"}}], "pageInfo": {"hasNextPage": after is not None, "endCursor": after}}
    return answer({"node": {"__typename": "DiscountCodeNode", "codeDiscount": {"codes": codes}}})


async def test_a_list_goes_on_piece_by_piece() -> None:
    conversation, _, _ = talk(codes_page("y"), codes_page(None))
    piece = await next_piece(conversation, CODES)
    (first,) = piece.built.records
    assert first.chunk == RecordChunk(
        reading_id="c", cursor="codes:x", next_cursor="codes:y", path=("codeDiscount", "codes", "edges")
    )
    assert (first.items, first.body, first.read_at) == (({"node": {"code": "A"}},), None, 5)
    assert piece.following is not None
    last = await next_piece(conversation, piece.following)
    assert last.following is None
    assert last.built.records[0].chunk.is_last


async def test_a_list_that_does_not_go_on_is_refused() -> None:
    conversation, _, _ = talk(codes_page("x"))
    with pytest.raises(PermanentError, match="does not go on"):
        await next_piece(conversation, CODES)


async def test_a_record_that_goes_while_it_is_read_is_gone() -> None:
    conversation, _, _ = talk(answer({"node": None}))
    piece = await next_piece(conversation, CODES)
    (record,) = piece.built.records
    assert (record.id, record.body, record.chunk, piece.following) == (CODES.id, None, None, None)


async def test_a_record_refused_half_way_is_unread_and_the_others_go_on() -> None:
    conversation, _, _ = talk(answer({"node": None}, FieldError(("node",), "ACCESS_DENIED", "no")), nothing)
    place = ReadPlace(0, (CODES,))
    said = [reading async for reading in read(conversation, {"products": (PRODUCTS[0],)}, place.encoded())]
    unread, _, _, batch = said
    assert (unread.id, unread.reason) == (CODES.id, "ACCESS_DENIED: no")
    assert [record.id for record in batch.records] == [PRODUCTS[0]]


async def test_a_list_with_an_error_is_asked_for_twice_and_then_its_record_is_unread() -> None:
    bad = answer({"node": None}, FieldError(("node",), "INTERNAL_SERVER_ERROR", "oh"))
    conversation, client, _ = talk(bad, bad, nothing)
    place = ReadPlace(0, (CODES,))
    said = [reading async for reading in read(conversation, {"products": (PRODUCTS[0],)}, place.encoded())]
    assert (said[0].id, said[0].retryable, len(client.asked)) == (CODES.id, False, 3)
    assert said[-1].records[0].id == PRODUCTS[0]
