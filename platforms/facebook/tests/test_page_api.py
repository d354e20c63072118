"""Facebook's answers, good and bad, as the client understands them."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import stamina

from platform_sdk.adapters import PlatformAdapter, WebhookReport
from platform_sdk.errors import RequestRejectedError, TokenRejectedError, TransientError
from platforms.facebook.connect import create_adapter
from platforms.facebook.page_api import PageApi
from platforms.facebook.settings import Settings
from platforms.facebook.tests.fake_graph import ALL_PERMISSIONS, APP_ID, FakeGraph, RefusalError
from platforms.facebook.webhooks import FacebookWebhooks

HERE = "https://here.example/w"


class Client:
    """The API and the webhooks of one adapter."""

    def __init__(self, adapter: PlatformAdapter) -> None:
        assert isinstance(adapter.api, PageApi)
        assert isinstance(adapter.webhooks, FacebookWebhooks)
        self.api, self.webhooks = adapter.api, adapter.webhooks


Make = Callable[..., Client]


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    """Attempts follow each other without a pause."""
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def graph() -> FakeGraph:
    """A Graph of one person with two pages."""
    return FakeGraph()


class Clock:
    """Milliseconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 5_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The client's clock."""
    return Clock()


@pytest.fixture
def make(graph: FakeGraph, make_settings: Callable[..., Settings], clock: Clock) -> Make:
    """Makes a client of that Graph, with the given changes of the settings."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(graph.answer))
    given = {"facebook_webhook_address": HERE}
    return lambda **changes: Client(create_adapter(make_settings(**given, **changes), http, clock))


async def test_a_code_becomes_a_grant_for_each_page(graph: FakeGraph, make: Make) -> None:
    grants = await make().api.exchange_code("", graph.code())
    assert list(grants) == ["1001", "1002"]
    grant = grants["1001"]
    assert graph.alive[grant.access_token] == "1001"
    assert (grant.granted_by, grant.title) == (graph.user, "Acme Café")
    assert (grant.expires_at, grant.refresh_token) == (None, None)
    assert set(ALL_PERMISSIONS) <= set(grant.scopes)
    assert (grant.granted_at, grant.readable_until) == (1_795_521_600_000, 1_803_300_000_000)


async def test_no_address_holds_a_token_or_secret_but_the_one_that_is_asked_about(graph: FakeGraph, make: Make) -> None:
    await make().api.exchange_code("", graph.code())
    for request in graph.asked:
        if not request.url.path.endswith("/debug_token"):
            assert "secret" not in str(request.url).replace("appsecret_proof", "")
    assert {request.url.path.split("/")[1] for request in graph.asked} == {"v25.0"}


async def test_every_page_of_the_list_is_read_past_empty_ones(graph: FakeGraph, make: Make) -> None:
    graph.pages = {str(1000 + number): f"Page {number}" for number in range(250)}
    graph.gaps = True
    assert len(await make().api.exchange_code("", graph.code())) == 250


async def test_less_is_asked_for_when_it_is_too_much(graph: FakeGraph, make: Make) -> None:
    graph.pages = {str(1000 + number): f"Page {number}" for number in range(30)}
    graph.limit_at_most = 5
    assert len(await make().api.exchange_code("", graph.code())) == 30
    limits = [request.url.params["limit"] for request in graph.calls("me/accounts")]
    assert limits == ["100", "25", *["5"] * 6]


@pytest.mark.parametrize("declined", ["pages_show_list", "pages_read_engagement"])
async def test_a_consent_by_which_nothing_can_be_read_says_what_to_do(
    graph: FakeGraph, make: Make, declined: str
) -> None:
    graph.granted = tuple(name for name in ALL_PERMISSIONS if name != declined)
    with pytest.raises(RequestRejectedError, match=declined):
        await make().api.exchange_code("", graph.code())


async def test_a_consent_without_pages_says_what_to_do(graph: FakeGraph, make: Make) -> None:
    graph.pages = {}
    with pytest.raises(RequestRejectedError, match="choose at least one page"):
        await make().api.exchange_code("", graph.code())


async def test_a_code_that_was_used_is_refused(graph: FakeGraph, make: Make) -> None:
    code = graph.code()
    await make().api.exchange_code("", code)
    with pytest.raises(RequestRejectedError):
        await make().api.exchange_code("", code)


async def test_another_apps_token_is_refused(graph: FakeGraph, make: Make) -> None:
    graph.tokens_app = "999999999999999"
    with pytest.raises(RequestRejectedError, match="not this app's"):
        await make().api.exchange_code("", graph.code())
    assert graph.calls("me/accounts") == []


BROKEN: list[Any] = [
    RefusalError(4, "(#4) Application request limit reached", status=403),
    RefusalError(80001, "There have been too many calls to this Page account."),
    RefusalError(2, "An unexpected error has occurred", status=500),
    RefusalError(1, "An unknown error occurred"),
    RefusalError(101, "Error validating application."),
    RefusalError(368, "blocked"),
]


@pytest.mark.parametrize("error", BROKEN)
@pytest.mark.parametrize("path", ["oauth/access_token", "debug_token", "me/permissions", "me/accounts"])
async def test_a_graph_that_does_not_answer_is_away(
    graph: FakeGraph, make: Make, path: str, error: RefusalError
) -> None:
    graph.fails = {path: error}
    code = graph.code()
    with pytest.raises(TransientError) as away:
        await make().api.exchange_code("", code)
    for secret in (*graph.secrets, "facebook's secret"):
        assert secret not in str(away.value)
    throttled = error.body["code"] in (4, 80001, 368)
    assert not throttled or len(graph.calls(path)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>maintenance</html>"),
        httpx.Response(200, json=[]),
        httpx.Response(503, text="upstream"),
        httpx.Response(302, headers={"Location": "http://169.254.169.254/"}),
        httpx.ReadTimeout("slow"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_away(make_settings: Any, answer: Any) -> None:
    def given(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    http = httpx.AsyncClient(transport=httpx.MockTransport(given))
    client = Client(create_adapter(make_settings(), http, lambda: 0))
    with pytest.raises(TransientError):
        await client.api.exchange_code("", "code")
    with pytest.raises(TransientError):
        await client.webhooks.ensure_subscriptions("1001", "token", topics=("name",))


async def test_only_a_dead_token_is_dead(graph: FakeGraph, make: Make) -> None:
    grants = await make().api.exchange_code("", graph.code())
    token = grants["1001"].access_token
    client = make()
    assert await client.api.is_token_valid("1001", token)
    assert "pages_show_list" in await client.api.fetch_scopes("1001", token)
    graph.fails = {"1001": RefusalError(10, "(#10) permission", status=403)}
    assert await client.api.is_token_valid("1001", token)
    graph.fails = {"1001": RefusalError(4, "limit", status=403)}
    with pytest.raises(TransientError):
        await client.api.is_token_valid("1001", token)
    graph.fails = {}
    del graph.alive[token]
    assert not await client.api.is_token_valid("1001", token)
    with pytest.raises(TokenRejectedError):
        await client.api.fetch_scopes("1001", token)
    with pytest.raises(TokenRejectedError):
        await client.webhooks.ensure_subscriptions("1001", token, topics=("name",))
    with pytest.raises(TokenRejectedError):
        await client.api.refresh_grant("1001", "")


async def asserted(client: Client, graph: FakeGraph, page: str = "1001", *fields: str) -> dict[str, str]:
    token = next((token for token, of in graph.alive.items() if of == page), None) or graph._issue(page)
    topics = fields or ("name", "phone", "hours")
    outcome = await client.webhooks.ensure_subscriptions(page, token, topics=topics)
    return {topic: one.message for topic, one in outcome.topics.items()}


async def test_both_levels_are_subscribed_once(graph: FakeGraph, make: Make) -> None:
    client = make()
    assert set((await asserted(client, graph)).values()) == {"registered"}
    assert graph.app_subscription is not None
    assert graph.app_subscription["callback_url"] == HERE
    (made,) = graph.calls(f"{APP_ID}/subscriptions", "POST")
    assert b"include_values=true" in made.content and b"object=page" in made.content
    assert graph.subscribed == {"1001": ["name", "phone", "hours"]}
    assert set((await asserted(client, graph)).values()) == {"already there"}
    assert len([one for one in graph.asked if one.method == "POST"]) == 2


async def test_the_apps_own_subscription_is_looked_at_once_for_many_pages(
    graph: FakeGraph, make: Make, clock: Clock
) -> None:
    client = make()
    for number in range(20):
        await asserted(client, graph, str(1001 + number))
    assert len(graph.calls(f"{APP_ID}/subscriptions", "GET")) == 1
    clock.now += 300_001
    await asserted(client, graph)
    assert len(graph.calls(f"{APP_ID}/subscriptions", "GET")) == 2


async def test_what_was_dropped_or_lies_elsewhere_is_brought_back(graph: FakeGraph, make: Make, clock: Clock) -> None:
    await asserted(make(), graph)
    good = dict(graph.app_subscription or {})
    for wrong in ({"callback_url": "https://there.example"}, {"active": False}):
        graph.app_subscription = good | wrong
        await asserted(make(), graph)
        assert graph.app_subscription == good
    graph.subscribed.clear()
    assert set((await asserted(make(), graph)).values()) == {"registered"}
    assert graph.subscribed["1001"] == ["name", "phone", "hours"]


async def test_what_the_bot_has_subscribed_to_by_itself_stays(graph: FakeGraph, make: Make) -> None:
    await asserted(make(), graph)
    graph.app_subscription = dict(graph.app_subscription or {}) | {"fields": [{"name": "messages"}, {"name": "name"}]}
    graph.subscribed["1001"] = ["messages"]
    await asserted(make(), graph)
    assert graph.subscribed["1001"] == ["name", "phone", "hours", "messages"]
    assert {field["name"] for field in graph.app_subscription["fields"]} == {"name", "phone", "hours", "messages"}
    assert set((await asserted(make(), graph)).values()) == {"already there"}


async def test_one_refused_field_costs_no_other(graph: FakeGraph, make: Make) -> None:
    graph.app_refuses, graph.unknown_fields = {"bio"}, {"hours"}
    outcome = await asserted(make(), graph, "1001", "name", "bio", "hours", "phone")
    assert (outcome["name"], outcome["phone"]) == ("registered", "registered")
    assert outcome["bio"].startswith("refused: (#100) Param fields[1]")
    assert outcome["hours"].startswith("refused: (#100) Param subscribed_fields[1]")
    assert len(outcome["hours"]) < 150
    assert graph.subscribed["1001"] == ["name", "phone"]


async def test_a_declined_permission_is_said_of_each_field(graph: FakeGraph, make: Make) -> None:
    graph.granted = ("pages_show_list", "pages_read_engagement")
    outcome = await asserted(make(), graph)
    assert all("pages_manage_metadata" in message for message in outcome.values())


async def test_an_address_that_is_not_verified_is_tried_by_the_next(graph: FakeGraph, make: Make) -> None:
    client = make()
    graph.fails = {"/subscriptions": RefusalError(2200, "(#2200) Callback verification failed: HTTP Status Code = 404")}
    assert all("verification failed" in message for message in (await asserted(client, graph)).values())
    assert graph.calls("subscribed_apps") == []
    graph.fails = {}
    assert set((await asserted(client, graph)).values()) == {"registered"}


async def test_an_app_whose_secret_is_refused_costs_no_page_its_token(graph: FakeGraph, make: Make) -> None:
    graph.fails = {"/subscriptions": RefusalError(190, "Error validating application")}
    assert all("id and secret" in message for message in (await asserted(make(), graph)).values())


async def test_a_page_that_is_let_go_of_tells_nothing_any_more(graph: FakeGraph, make: Make) -> None:
    client, token = make(), graph._issue("1001")
    await asserted(client, graph)
    await client.api.uninstall("1001", token)
    assert graph.subscribed == {}
    graph.alive.clear()
    await client.api.uninstall("1001", token)
    graph.down = True
    with pytest.raises(TransientError):
        await client.api.uninstall("1001", token)


async def test_another_version_is_said_once_and_named(
    graph: FakeGraph, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    graph.served = "v26.0"
    client = make()
    token = graph._issue("1001")
    for _ in range(3):
        outcome = await client.webhooks.ensure_subscriptions("1001", token, topics=("name",))
    assert outcome.remarks == ("Facebook answers as v26.0, and FACEBOOK_API_VERSION is v25.0",)
    assert capsys.readouterr().out.count("another version") == 1


async def test_without_an_app_nothing_is_asked(graph: FakeGraph, clock: Clock) -> None:
    http = httpx.AsyncClient(transport=httpx.MockTransport(graph.answer))
    adapter = create_adapter(Settings(_env_file=None), http, clock)
    assert not adapter.is_configured
    with pytest.raises(TransientError, match="not configured"):
        await Client(adapter).webhooks.ensure_subscriptions("1001", "token", topics=("name",))
    assert graph.asked == []


async def test_a_look_shows_what_is_subscribed_at_both_levels(graph: FakeGraph, make: Make) -> None:
    async def look() -> WebhookReport:
        return await client.webhooks.inspect_subscriptions("1001", token, topics=("name", "phone"))

    client = make()
    await asserted(client, graph, "1001", "name")
    token = next(token for token, of in graph.alive.items() if of == "1001")
    posts = len(graph.calls("", "POST"))
    assert [outcome.is_subscribed for outcome in (await look()).topics.values()] == [True, False]
    graph.app_subscription = dict(graph.app_subscription or {}) | {"callback_url": "https://there.example"}
    assert [outcome.message for outcome in (await look()).topics.values()] == ["not subscribed"] * 2
    assert len(graph.calls("", "POST")) == posts
