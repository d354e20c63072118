"""An account that its platform has closed: one call finds out, and webhooks about it cause no other one."""

from typing import Any

import httpx
import pytest

from connector.client import TokenClient
from connector.handlers.full_sync import FullSyncHandler
from connector.handlers.incremental import IncrementalHandler
from contracts.events import IncrementalReadCompleted
from platform_sdk.errors import AccountBlockedError
from platform_sdk.session import ApiSession, RateLimitWait, SyncContext
from platform_sdk.tokens import AccessToken

FROZEN = AccountBlockedError("frozen")


class Fetcher:
    """The two handlers of a fetcher over one source of things, which is closed while `source.stop_at` says so."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.source = bench.ThingSource(existing={"a", "b"}, stop_at={"a": FROZEN}, once=False)
        self.publisher = bench.FakePublisher()
        dependencies = bench.build_dependencies(self.source, self.publisher)
        self._incremental = IncrementalHandler(dependencies, seconds=5)
        self._full_sync = FullSyncHandler(dependencies, seconds=5)

    async def read(self, *requests: Any) -> list[tuple[str, bool]]:
        """Handle requests; return what was reported of them, each with whether it was only remembered."""
        before = len(self.publisher.progress)
        await self._incremental(self.bench.CONNECTION, list(requests))
        return [(event.outcome, event.remembered) for event in self.publisher.progress[before:]]

    async def run_step(self) -> Any:
        """Run the first step of a full sync; return what was reported of it."""
        await self._full_sync(self.bench.CONNECTION, [self.bench.build_step(1)])
        return self.publisher.progress[-1]


@pytest.fixture
def fetcher(bench: Any) -> Fetcher:
    """A fetcher that knows nothing yet, of an account that is closed."""
    return Fetcher(bench)


async def test_a_closed_account_is_reported_with_what_was_not_read(fetcher: Fetcher, bench: Any) -> None:
    fetcher.source.stop_at = {"b": FROZEN}
    assert await fetcher.read(bench.build_request("1", "a"), bench.build_request("2", "b")) == [("blocked", False)]
    (event,) = fetcher.publisher.progress
    assert (event.sync_ids, event.records, event.reason) == (
        (bench.derive_sync_id("2"),),
        {"things": ("b",)},
        "frozen",
    )
    (completed,) = fetcher.publisher.select(IncrementalReadCompleted)
    assert completed.sync_ids == (bench.derive_sync_id("1"),)


async def test_webhooks_about_a_closed_account_cause_no_call(fetcher: Fetcher, bench: Any) -> None:
    for number in range(5):
        expected = [("blocked", number > 0)]
        assert await fetcher.read(bench.build_request(str(number), "a")) == expected
    assert len(fetcher.source.requested) == 1


async def test_the_schedulers_requests_are_read_for_it_knows_better(fetcher: Fetcher, bench: Any) -> None:
    await fetcher.read(bench.build_request("1", "a"))
    fetcher.source.stop_at = {}
    retry = bench.build_request("1", "a", cause="postponed")
    assert await fetcher.read(retry, bench.build_request("2", "a")) == []
    assert await fetcher.read(bench.build_request("3", "a")) == []


async def test_a_probe_tells_webhooks_that_the_account_is_open(fetcher: Fetcher, bench: Any) -> None:
    refused = await fetcher.run_step()
    assert (refused.outcome, refused.reason, refused.cursor, refused.step) == ("blocked", "frozen", None, 1)
    assert await fetcher.read(bench.build_request("1", "b")) == [("blocked", True)]
    fetcher.source.stop_at = {}
    assert (await fetcher.run_step()).outcome == "completed"
    assert await fetcher.read(bench.build_request("2", "b")) == []


async def test_a_refusal_in_the_middle_of_a_full_sync_says_that_something_was_read(fetcher: Fetcher) -> None:
    fetcher.source.stop_at = {"b": FROZEN}
    refused = await fetcher.run_step()
    assert (refused.outcome, refused.cursor is None) == ("blocked", False)


async def test_an_account_that_was_connected_anew_is_asked(fetcher: Fetcher, bench: Any) -> None:
    await fetcher.read(bench.build_request("1", "a"))
    assert await fetcher.read(bench.build_request("2", "a", epoch=2)) == [("blocked", False)]


async def test_a_token_that_is_not_refreshed_because_the_account_is_closed_blocks(bench: Any) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(424, json={"reason": "the account is frozen", "blocked": "frozen"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        tokens, publisher = TokenClient(http, "http://gateway", "key"), bench.FakePublisher()
        dependencies = bench.build_dependencies(bench.ThingSource(), publisher, tokens=tokens)
        await IncrementalHandler(dependencies, seconds=5)(bench.CONNECTION, [bench.build_request("1", "a")])
        await FullSyncHandler(dependencies, seconds=5)(bench.CONNECTION, [bench.build_step(1)])
    assert [(event.outcome, event.reason) for event in publisher.progress] == [("blocked", "frozen")] * 2
    assert tokens.health_error is None


async def test_a_closed_account_is_not_asked_again_within_a_call(bench: Any) -> None:
    async def never_called(_: Any) -> AccessToken:
        raise AssertionError

    attempts = 0

    class ClosedSession(ApiSession):
        async def call(self) -> None:
            await self._call_with_retries(self._send, lambda: RateLimitWait(0, "", 0))

        async def _send(self, _began: float) -> None:
            nonlocal attempts
            attempts += 1
            raise FROZEN

    token = AccessToken(bench.CONNECTION, 1, "shhh")
    context = SyncContext(token, bench.derive_sync_id("1"), "full", never_called, lambda: never_called(None))
    with pytest.raises(AccountBlockedError):
        await ClosedSession(context, {"full": 5.0}).call()
    assert attempts == 1
