"""How the client of the Page API handles responses of Facebook, good and bad."""

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
from platforms.facebook.tests.fake_graph import ALL_PERMISSIONS, APP_ID, FakeGraph, GraphError
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
def _retry_without_pause() -> Iterator[None]:
    """Makes retries follow each other without a pause."""
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def graph() -> FakeGraph:
    """A fake Graph API with one person and two pages."""
    return FakeGraph()


class Clock:
    """A clock in milliseconds that tests set."""

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
    """Makes a client of the fake Graph API, with the given changes of the settings."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(graph.respond))
    return lambda **changes: Client(
        create_adapter(make_settings(facebook_webhook_address=HERE, **changes), http, clock)
    )


async def test_a_code_becomes_a_grant_for_each_page(graph: FakeGraph, make: Make) -> None:
    grants = await make().api.exchange_code("", graph.create_code())
    assert list(grants) == ["1001", "1002"]
    grant = grants["1001"]
    assert graph.valid_tokens[grant.access_token] == "1001"
    assert (grant.granted_by, grant.title) == (graph.user, "Acme Café")
    assert (grant.expires_at, grant.refresh_token) == (None, None)
    assert set(ALL_PERMISSIONS) <= set(grant.scopes)
    assert (grant.granted_at, grant.readable_until) == (1_795_521_600_000, 1_803_300_000_000)


async def test_no_address_contains_a_token_or_secret_except_of_debug_token(graph: FakeGraph, make: Make) -> None:
    await make().api.exchange_code("", graph.create_code())
    for request in graph.requests:
        if not request.url.path.endswith("/debug_token"):
            assert "secret" not in str(request.url).replace("appsecret_proof", "")
    assert {request.url.path.split("/")[1] for request in graph.requests} == {"v25.0"}


async def test_the_whole_list_of_pages_is_read_past_empty_results(graph: FakeGraph, make: Make) -> None:
    graph.pages = {str(1000 + number): f"Page {number}" for number in range(250)}
    graph.gaps = True
    assert len(await make().api.exchange_code("", graph.create_code())) == 250


async def test_the_limit_is_reduced_when_a_list_is_too_large(graph: FakeGraph, make: Make) -> None:
    graph.pages = {str(1000 + number): f"Page {number}" for number in range(30)}
    graph.limit_at_most = 5
    assert len(await make().api.exchange_code("", graph.create_code())) == 30
    limits = [request.url.params["limit"] for request in graph.find_requests("me/accounts")]
    assert limits == ["100", "25", *["5"] * 6]


@pytest.mark.parametrize("declined", ["pages_show_list", "pages_read_engagement"])
async def test_a_consent_without_a_required_permission_names_it(graph: FakeGraph, make: Make, declined: str) -> None:
    graph.granted = tuple(name for name in ALL_PERMISSIONS if name != declined)
    with pytest.raises(RequestRejectedError, match=declined):
        await make().api.exchange_code("", graph.create_code())


async def test_a_consent_without_pages_is_refused_with_advice(graph: FakeGraph, make: Make) -> None:
    graph.pages = {}
    with pytest.raises(RequestRejectedError, match="no page was chosen"):
        await make().api.exchange_code("", graph.create_code())


async def test_a_used_code_is_refused(graph: FakeGraph, make: Make) -> None:
    code = graph.create_code()
    await make().api.exchange_code("", code)
    with pytest.raises(RequestRejectedError):
        await make().api.exchange_code("", code)


async def test_a_token_of_another_app_is_refused(graph: FakeGraph, make: Make) -> None:
    graph.token_app_id = "999999999999999"
    with pytest.raises(RequestRejectedError, match="not this app's"):
        await make().api.exchange_code("", graph.create_code())
    assert graph.find_requests("me/accounts") == []


BROKEN: list[Any] = [
    GraphError(4, "(#4) Application request limit reached", status=403),
    GraphError(80001, "There have been too many calls to this Page account."),
    GraphError(2, "An unexpected error has occurred", status=500),
    GraphError(1, "An unknown error occurred"),
    GraphError(101, "Error validating application."),
    GraphError(368, "blocked"),
]


@pytest.mark.parametrize("error", BROKEN)
@pytest.mark.parametrize("path", ["oauth/access_token", "debug_token", "me/permissions", "me/accounts"])
async def test_errors_of_graph_during_a_login_are_transient(
    graph: FakeGraph, make: Make, path: str, error: GraphError
) -> None:
    graph.errors = {path: error}
    code = graph.create_code()
    with pytest.raises(TransientError) as raised:
        await make().api.exchange_code("", code)
    for secret in (*graph.secrets, "facebook's secret"):
        assert secret not in str(raised.value)
    throttled = error.body["code"] in (4, 80001, 368)
    assert not throttled or len(graph.find_requests(path)) == 1


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>maintenance</html>"),
        httpx.Response(200, json=[]),
        httpx.Response(503, text="upstream"),
        httpx.Response(302, headers={"Location": "http://169.254.169.254/"}),
        httpx.ReadTimeout("slow"),
    ],
)
async def test_a_malformed_response_is_a_transient_error(make_settings: Any, response: Any) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    http = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    client = Client(create_adapter(make_settings(), http, lambda: 0))
    with pytest.raises(TransientError):
        await client.api.exchange_code("", "code")
    with pytest.raises(TransientError):
        await client.webhooks.ensure_subscriptions("1001", "token", topics=("name",))


async def test_only_error_190_rejects_a_token(graph: FakeGraph, make: Make) -> None:
    grants = await make().api.exchange_code("", graph.create_code())
    token = grants["1001"].access_token
    client = make()
    assert await client.api.is_token_valid("1001", token)
    assert "pages_show_list" in await client.api.fetch_scopes("1001", token)
    graph.errors = {"1001": GraphError(10, "(#10) permission", status=403)}
    assert await client.api.is_token_valid("1001", token)
    graph.errors = {"1001": GraphError(4, "limit", status=403)}
    with pytest.raises(TransientError):
        await client.api.is_token_valid("1001", token)
    graph.errors = {}
    del graph.valid_tokens[token]
    assert not await client.api.is_token_valid("1001", token)
    with pytest.raises(TokenRejectedError):
        await client.api.fetch_scopes("1001", token)
    with pytest.raises(TokenRejectedError):
        await client.webhooks.ensure_subscriptions("1001", token, topics=("name",))
    with pytest.raises(TokenRejectedError):
        await client.api.refresh_grant("1001", "")


async def ensure_subscriptions(client: Client, graph: FakeGraph, page: str = "1001", *fields: str) -> dict[str, str]:
    token = next((token for token, owner in graph.valid_tokens.items() if owner == page), None) or graph._issue_token(
        page
    )
    topics = fields or ("name", "phone", "hours")
    outcome = await client.webhooks.ensure_subscriptions(page, token, topics=topics)
    return {topic: result.message for topic, result in outcome.topics.items()}


async def test_both_levels_are_subscribed_once(graph: FakeGraph, make: Make) -> None:
    client = make()
    assert set((await ensure_subscriptions(client, graph)).values()) == {"registered"}
    assert graph.app_subscription is not None
    assert graph.app_subscription["callback_url"] == HERE
    (request,) = graph.find_requests(f"{APP_ID}/subscriptions", "POST")
    assert b"include_values=true" in request.content and b"object=page" in request.content
    assert graph.subscribed == {"1001": ["name", "phone", "hours"]}
    assert set((await ensure_subscriptions(client, graph)).values()) == {"already there"}
    assert len([request for request in graph.requests if request.method == "POST"]) == 2


async def test_the_subscription_of_the_app_is_fetched_once_for_many_pages(
    graph: FakeGraph, make: Make, clock: Clock
) -> None:
    client = make()
    for number in range(20):
        await ensure_subscriptions(client, graph, str(1001 + number))
    assert len(graph.find_requests(f"{APP_ID}/subscriptions", "GET")) == 1
    clock.now += 300_001
    await ensure_subscriptions(client, graph)
    assert len(graph.find_requests(f"{APP_ID}/subscriptions", "GET")) == 2


async def test_dropped_or_changed_subscriptions_are_restored(graph: FakeGraph, make: Make, clock: Clock) -> None:
    await ensure_subscriptions(make(), graph)
    good = dict(graph.app_subscription or {})
    for wrong in ({"callback_url": "https://there.example"}, {"active": False}):
        graph.app_subscription = good | wrong
        await ensure_subscriptions(make(), graph)
        assert graph.app_subscription == good
    graph.subscribed.clear()
    assert set((await ensure_subscriptions(make(), graph)).values()) == {"registered"}
    assert graph.subscribed["1001"] == ["name", "phone", "hours"]


async def test_subscriptions_to_other_fields_are_kept(graph: FakeGraph, make: Make) -> None:
    await ensure_subscriptions(make(), graph)
    graph.app_subscription = dict(graph.app_subscription or {}) | {"fields": [{"name": "messages"}, {"name": "name"}]}
    graph.subscribed["1001"] = ["messages"]
    await ensure_subscriptions(make(), graph)
    assert graph.subscribed["1001"] == ["name", "phone", "hours", "messages"]
    assert {field["name"] for field in graph.app_subscription["fields"]} == {"name", "phone", "hours", "messages"}
    assert set((await ensure_subscriptions(make(), graph)).values()) == {"already there"}


async def test_one_refused_field_does_not_affect_the_others(graph: FakeGraph, make: Make) -> None:
    graph.app_refuses, graph.unknown_fields = {"bio"}, {"hours"}
    outcome = await ensure_subscriptions(make(), graph, "1001", "name", "bio", "hours", "phone")
    assert (outcome["name"], outcome["phone"]) == ("registered", "registered")
    assert outcome["bio"].startswith("refused: (#100) Param fields[1]")
    assert outcome["hours"].startswith("refused: (#100) Param subscribed_fields[1]")
    assert len(outcome["hours"]) < 150
    assert graph.subscribed["1001"] == ["name", "phone"]


async def test_a_declined_permission_is_reported_for_each_field(graph: FakeGraph, make: Make) -> None:
    graph.granted = ("pages_show_list", "pages_read_engagement")
    outcome = await ensure_subscriptions(make(), graph)
    assert all("pages_manage_metadata" in message for message in outcome.values())


async def test_a_failed_verification_is_tried_again_by_the_next_call(graph: FakeGraph, make: Make) -> None:
    client = make()
    graph.errors = {"/subscriptions": GraphError(2200, "(#2200) Callback verification failed: HTTP Status Code = 404")}
    assert all("verification failed" in message for message in (await ensure_subscriptions(client, graph)).values())
    assert graph.find_requests("subscribed_apps") == []
    graph.errors = {}
    assert set((await ensure_subscriptions(client, graph)).values()) == {"registered"}


async def test_a_refused_app_secret_does_not_reject_page_tokens(graph: FakeGraph, make: Make) -> None:
    graph.errors = {"/subscriptions": GraphError(190, "Error validating application")}
    assert all("id and secret" in message for message in (await ensure_subscriptions(make(), graph)).values())


async def test_a_disconnected_page_is_unsubscribed(graph: FakeGraph, make: Make) -> None:
    client, token = make(), graph._issue_token("1001")
    await ensure_subscriptions(client, graph)
    await client.api.uninstall("1001", token)
    assert graph.subscribed == {}
    graph.valid_tokens.clear()
    await client.api.uninstall("1001", token)
    graph.down = True
    with pytest.raises(TransientError):
        await client.api.uninstall("1001", token)


async def test_another_api_version_is_logged_once_and_reported(
    graph: FakeGraph, make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    graph.served = "v26.0"
    client = make()
    token = graph._issue_token("1001")
    for _ in range(3):
        outcome = await client.webhooks.ensure_subscriptions("1001", token, topics=("name",))
    assert outcome.remarks == ("Facebook answers as v26.0, and FACEBOOK_API_VERSION is v25.0",)
    assert capsys.readouterr().out.count("another version") == 1


async def test_without_an_app_no_request_is_sent(graph: FakeGraph, clock: Clock) -> None:
    http = httpx.AsyncClient(transport=httpx.MockTransport(graph.respond))
    adapter = create_adapter(Settings(_env_file=None), http, clock)
    assert not adapter.is_configured
    with pytest.raises(TransientError, match="not configured"):
        await Client(adapter).webhooks.ensure_subscriptions("1001", "token", topics=("name",))
    assert graph.requests == []


async def test_an_inspection_shows_subscriptions_of_both_levels(graph: FakeGraph, make: Make) -> None:
    async def inspect() -> WebhookReport:
        return await client.webhooks.inspect_subscriptions("1001", token, topics=("name", "phone"))

    client = make()
    await ensure_subscriptions(client, graph, "1001", "name")
    token = next(token for token, owner in graph.valid_tokens.items() if owner == "1001")
    posts = len(graph.find_requests("", "POST"))
    assert [outcome.is_subscribed for outcome in (await inspect()).topics.values()] == [True, False]
    graph.app_subscription = dict(graph.app_subscription or {}) | {"callback_url": "https://there.example"}
    assert [outcome.message for outcome in (await inspect()).topics.values()] == ["not subscribed"] * 2
    assert len(graph.find_requests("", "POST")) == posts
