"""Both lanes on a scripted Graph API: what is asked for, what is said, and what follows from every fault."""

import asyncio
import hmac
from typing import Any

import httpx
import pytest

from contracts.events import FullReadCompleted, IncrementalReadCompleted, RangeCompleted
from facebook_fetcher.fields import PAGE_FIELDS
from facebook_fetcher.memory import CALLS_AT_ONCE
from platform_sdk.errors import ConnectionEndedError

NO_BIO = "(#100) Tried accessing nonexisting field (bio) on node type (Page)"


async def test_a_page_is_one_call_with_proof_and_without_a_token_in_its_address(bench: Any) -> None:
    await bench.read()
    (call,) = bench.graph.calls
    assert (call.method, call.url.host, call.url.path) == ("GET", "graph.test", f"/v25.0/{bench.PAGE}")
    assert call.url.params["fields"] == PAGE_FIELDS
    proof = hmac.new(bench.SECRET.encode(), bench.TOKEN.encode(), "sha256").hexdigest()
    assert call.url.params["appsecret_proof"] == proof
    assert call.headers["authorization"] == f"Bearer {bench.TOKEN}"
    assert bench.TOKEN not in str(call.url)


async def test_a_read_says_the_record_and_settles(bench: Any) -> None:
    bench.graph.page = {"name": "Rosa's", "fan_count": 3, "emails": ["rosa@x.test"]}
    await bench.read()
    (record,) = bench.voice.records
    assert (record.resource, record.id, record.read_at) == ("page", bench.PAGE, round(bench.NOW * 1000))
    assert (record.body["name"], record.body["email"], record.volatile["fan_count"]) == ("Rosa's", "rosa@x.test", 3)
    assert bench.voice.events(IncrementalReadCompleted)[0].failed == {}


async def test_what_has_gathered_for_a_page_is_one_call(bench: Any) -> None:
    await bench.quick_lane(f"facebook:{bench.PAGE}", [bench.wish() for _ in range(1_000)])
    assert len(bench.graph.calls) == 1
    assert len(bench.voice.events(IncrementalReadCompleted)[0].sync_ids) == 1_000


async def test_a_walk_says_the_same_record_in_one_window_and_ends(bench: Any) -> None:
    await bench.read()
    assert (await bench.walk()).outcome == "completed"
    read, walked = bench.voice.records
    assert (read.body, read.volatile) == (walked.body, walked.volatile)
    (window,) = bench.voice.events(RangeCompleted)
    assert (window.resource, window.window, window.attempt) == ("page", 0, 1)
    assert (window.sent, window.count_before, window.count_after) == (1, 1, 1)
    (ended,) = bench.voice.events(FullReadCompleted)
    assert (ended.windows, ended.left_out, ended.started_at) == ((("page", 0),), {}, walked.read_at)


async def test_the_window_can_be_walked_again_by_itself(bench: Any) -> None:
    await bench.walk()
    assert (await bench.walk(cursor=bench.voice.events(RangeCompleted)[0].again)).outcome == "completed"
    assert bench.voice.events(RangeCompleted)[-1].attempt == 2
    assert len(bench.voice.events(FullReadCompleted)) == 1, "the writer has the walk's marker already"


@pytest.mark.parametrize(("code", "subcode"), [(100, 33), (803, None)])
async def test_a_page_that_is_gone_is_a_tombstone_to_a_read_and_not_listed_by_a_walk(
    bench: Any, code: int, subcode: int | None
) -> None:
    bench.graph.script = [bench.error(code, error_subcode=subcode) for _ in range(2)]
    await bench.read()
    (tombstone,) = bench.voice.records
    assert (tombstone.id, tombstone.body, tombstone.volatile) == (bench.PAGE, None, {})
    assert bench.voice.events(IncrementalReadCompleted)[0].failed == {}
    assert (await bench.walk()).outcome == "completed"
    assert bench.voice.records == [tombstone]
    (window,) = bench.voice.events(RangeCompleted)
    assert (window.sent, window.count_before, window.count_after) == (0, None, None)


async def test_ids_that_are_not_the_connections_page_fail_alone(bench: Any) -> None:
    odd = [bench.wish(records={"page": ["42"]}), bench.wish(records={"orders": ["7"]})]
    await bench.quick_lane(f"facebook:{bench.PAGE}", [bench.wish(), *odd])
    failed, settled = bench.voice.events(IncrementalReadCompleted)
    assert (set(failed.failed), settled.failed) == ({"42", "7"}, {})
    assert len(bench.voice.records) == len(bench.graph.calls) == 1


@pytest.mark.parametrize("name", ["me", "1/../2", "1?fields=access_token", ""])
async def test_nothing_is_asked_of_an_account_that_is_no_page(bench: Any, name: str) -> None:
    await bench.read(page=name or " ")
    assert bench.voice.last.reason == "not the id of a page"
    assert bench.graph.calls == []


async def test_another_pages_answer_is_refused(bench: Any) -> None:
    bench.graph.page = {"id": "42"}
    await bench.read()
    assert "another page" in bench.voice.last.reason
    assert bench.voice.records == []


async def test_a_clock_far_off_is_corrected_by_the_platforms(bench: Any) -> None:
    bench.graph.headers = {"Date": "Tue, 14 Nov 2023 21:13:20 GMT"}  # an hour before NOW
    await bench.read()
    assert bench.voice.records[0].read_at == round((bench.NOW - 3600) * 1000)


class TestFields:
    """A field that is refused costs nothing but itself."""

    async def test_it_is_dropped_and_stands_as_null(self, bench: Any, logged: Any) -> None:
        bench.graph.script = [bench.error(100, NO_BIO)]
        await bench.read()
        assert "bio" not in bench.graph.fields()
        (record,) = bench.voice.records
        assert record.body["bio"] is None
        assert record.body["name"] == "Rosa's"

    async def test_it_is_reported_once_and_asked_for_no_more(self, bench: Any, logged: Any) -> None:
        bench.graph.script = [bench.error(100, NO_BIO)]
        await bench.read()
        await bench.walk()
        await bench.read(page="42")
        assert len(bench.graph.calls) == 4
        assert [line["field"] for line in logged if line["log_level"] == "error"] == ["bio"]

    async def test_refused_to_two_pages_at_once_it_is_reported_once(self, bench: Any, logged: Any) -> None:
        both = asyncio.Barrier(2)

        async def together(request: httpx.Request) -> httpx.Response:
            if "bio" in request.url.params["fields"]:
                await both.wait()
                return bench.error(100, NO_BIO)
            return bench.graph.whole(request)

        bench.graph.answer = together
        await asyncio.gather(bench.read(), bench.read(page="42"))
        assert len(bench.voice.records) == 2
        assert [line["field"] for line in logged if line["log_level"] == "error"] == ["bio"]

    async def test_all_may_be_refused_but_the_id(self, benches: Any) -> None:
        bench = benches("name,odd{url},picture{uri}")
        words = ["name", "url", "uri"]
        bench.graph.script = [bench.error(100, f"(#100) nonexisting field ({word})") for word in words]
        bench.graph.page = {}
        await bench.read()
        (record,) = bench.voice.records
        assert (record.body, record.volatile) == ({"id": bench.PAGE, "name": None, "odd": None}, {"picture": None})

    async def test_one_that_was_not_asked_for_fails_the_read(self, bench: Any) -> None:
        bench.graph.script = [bench.error(100, "(#100) nonexisting field (id)")]
        await bench.read()
        assert (bench.voice.last.outcome, bench.voice.last.retry) == ("failed", False)
        assert len(bench.graph.calls) == 1


class TestTokens:
    """Dead, replaced, and never seen."""

    async def test_a_dead_token_is_reported_and_the_new_one_used(self, bench: Any) -> None:
        bench.graph.script = [bench.error(190, status=401, error_subcode=460)]
        bench.tokens.renewed = "another"
        await bench.read()
        assert bench.graph.calls[-1].headers["authorization"] == "Bearer another"
        assert len(bench.voice.records) == len(bench.tokens.reported) == 1

    @pytest.mark.parametrize("code", [190, 102])
    async def test_without_another_the_connection_has_ended(self, bench: Any, code: int) -> None:
        bench.tokens.renewed = ConnectionEndedError("reauthorise")
        bench.graph.script = [bench.error(code), bench.error(code)]
        await bench.read()
        assert (bench.voice.last.outcome, bench.voice.last.reason) == ("failed", "connection is reauthorise")
        assert (await bench.walk()).reason == "connection is reauthorise"
        assert len(bench.graph.calls) == 2

    async def test_a_new_token_that_is_refused_waits(self, bench: Any) -> None:
        bench.graph.script = [bench.error(190), bench.error(190)]
        bench.tokens.renewed = "another"
        await bench.read()
        assert (bench.voice.last.outcome, bench.voice.last.throttled) == ("postponed", False)
        assert len(bench.tokens.reported) == 1

    async def test_under_a_new_epoch_the_work_begins_anew(self, bench: Any) -> None:
        bench.graph.script = [bench.error(190)]
        bench.tokens.renewed, bench.tokens.epoch = "another", 2
        await bench.read()
        assert (bench.voice.last.outcome, bench.voice.last.reason) == ("postponed", None)
        assert bench.voice.records == []

    async def test_what_is_denied_fails_and_names_the_permission(self, bench: Any) -> None:
        bench.graph.script = [bench.error(10, "(#10) Requires pages_read_engagement permission", status=403)]
        await bench.read()
        assert (bench.voice.last.outcome, bench.voice.last.retry) == ("failed", False)
        assert "permission pages_read_engagement is needed" in bench.voice.last.reason

    async def test_what_was_granted_since_is_asked_for_by_the_new_token(self, bench: Any) -> None:
        bench.graph.script = [bench.error(200)]
        bench.tokens.granted = "granted-since"
        await bench.read()
        assert bench.graph.calls[-1].headers["authorization"] == "Bearer granted-since"
        assert len(bench.voice.records) == 1

    async def test_no_token_and_no_secret_is_ever_seen(self, bench: Any, logged: Any, caplog: Any) -> None:
        echo = f"Malformed access token {bench.TOKEN}"
        bench.tokens.renewed = bench.TOKEN
        for code in (190, 1, 10, 100, 4):
            bench.graph.script = [bench.error(code, echo)] * 4
            await bench.read(page=str(code))
        bench.graph.script = [httpx.ConnectError(echo)] * 4
        await bench.read(page="5")
        seen = f"{logged} {caplog.text} {bench.voice.said} {bench.client!r} {bench.platform!r} {vars(bench.platform)}"
        assert len(bench.graph.calls) > 6
        assert bench.TOKEN not in seen
        assert bench.SECRET not in seen


class TestThrottled:
    """What is refused for its number waits as long as the platform says, and so do the others."""

    async def test_a_page_waits_for_the_minutes_that_are_said(self, bench: Any) -> None:
        bench.graph.script = [bench.error(80001, headers=bench.used(app=10, page=100, minutes=7))]
        await bench.read()
        assert (bench.voice.last.outcome, bench.voice.last.throttled) == ("postponed", True)
        assert bench.waits == pytest.approx(420)

    async def test_meanwhile_nothing_is_sent_for_that_page_and_other_pages_go_on(self, bench: Any) -> None:
        bench.graph.script = [bench.error(80001, headers=bench.used(page=100, minutes=7))]
        await bench.read()
        await bench.read()
        assert (len(bench.graph.calls), bench.voice.last.reason) == (1, "the page's rate limit")
        await bench.read(page="42")
        assert len(bench.voice.records) == 1

    @pytest.mark.parametrize("code", [4, 341])
    async def test_an_app_that_is_throttled_waits_for_all_its_pages(self, bench: Any, code: int) -> None:
        bench.graph.script = [bench.error(code, status=403, is_transient=True)]
        await bench.read()
        assert bench.waits > 60
        await bench.read(page="42")
        assert (await bench.walk(page="43")).reason == "the app's rate limit"
        assert len(bench.graph.calls) == 1

    async def test_after_the_wait_one_call_tries_and_opens_it_for_all(self, bench: Any) -> None:
        bench.graph.script = [bench.error(4)]
        await bench.read()
        bench.clock.at += bench.waits
        bench.graph.headers = bench.used(app=20)
        await asyncio.gather(*(bench.read(page=str(page)) for page in range(100, 110)))
        assert len(bench.voice.records) == 10

    @pytest.mark.parametrize("code", [17, 32, 613, 80001, 80006])
    async def test_without_a_time_a_page_waits_by_itself(self, bench: Any, code: int) -> None:
        bench.graph.script = [bench.error(code)]
        await bench.read()
        assert (bench.voice.last.throttled, bench.waits > 60) == (True, True)
        await bench.read(page="42")
        assert len(bench.voice.records) == 1

    async def test_walks_leave_half_of_the_apps_budget(self, bench: Any) -> None:
        bench.graph.headers = bench.used(app=50)
        await bench.walk()
        late = await bench.walk(page="42")
        assert (late.outcome, late.reason, late.throttled) == ("postponed", "the app's rate limit", True)
        await bench.read()
        assert len(bench.voice.records) == 2

    async def test_the_quick_lane_stops_near_the_top(self, bench: Any) -> None:
        bench.graph.headers = bench.used(page=85)
        await bench.read()
        await bench.read()
        assert (bench.voice.last.reason, len(bench.graph.calls)) == ("the page's rate limit", 1)

    async def test_where_no_header_comes_little_is_used(self, bench: Any) -> None:
        for page in range(300):
            await bench.walk(page=str(page))
        assert len(bench.voice.records) == 300


class TestTogether:
    """200 pages of one app at once."""

    async def test_calls_are_bounded_and_no_budget_is_passed(self, bench: Any) -> None:
        calls, at_once, most = 0, 0, 0

        async def counted(request: httpx.Request) -> httpx.Response:
            nonlocal calls, at_once, most
            calls, at_once = calls + 1, at_once + 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1
            answer = bench.graph.whole(request)
            answer.headers.update(bench.used(app=100 * calls // 200))
            return answer

        bench.graph.answer = counted
        await asyncio.gather(*(bench.walk(page=str(page)) for page in range(200)))
        assert (most, 95 <= calls <= 100) == (CALLS_AT_ONCE, True)
        await asyncio.gather(*(bench.read(page=str(page)) for page in range(200)))
        assert 165 <= calls <= 170
        assert len(bench.voice.records) == calls


class TestUnwell:
    """What may be better the next time is tried a few times, and then waits."""

    @pytest.mark.parametrize("kind", ["code 1", "code 2", "503", "transient", "html", "half", "refused", "silent"])
    async def test_it_is_asked_again_a_few_times(self, bench: Any, kind: str) -> None:
        def fault(_: httpx.Request) -> httpx.Response:
            faults: dict[str, Any] = {
                "code 1": bench.error(1, status=500),
                "code 2": bench.error(2),
                "503": httpx.Response(503, text="away"),
                "transient": bench.error(99, is_transient=True),
                "html": httpx.Response(200, text="<html>"),
                "half": httpx.Response(200, text='{"id": "1'),
                "refused": httpx.ConnectError("no"),
                "silent": httpx.ReadTimeout("no"),
            }
            if isinstance(faults[kind], Exception):
                raise faults[kind]
            return faults[kind]

        bench.graph.script = [fault] * 3
        await bench.read()
        assert len(bench.voice.records) == 1
        assert 0 < sum(bench.clock.slept) < 5
        bench.graph.script = [fault] * 9
        late = await bench.walk(page="42")
        assert (late.outcome, late.throttled) == ("postponed", False)
        assert len(bench.graph.calls) == 4 + 4

    async def test_what_takes_long_in_vain_is_not_tried_again_at_once(self, bench: Any) -> None:
        def slow(_: httpx.Request) -> httpx.Response:
            bench.clock.at += 5
            raise httpx.ReadTimeout("silent")

        bench.graph.script = [slow] * 2
        await bench.read()
        assert (bench.voice.last.outcome, len(bench.graph.calls)) == ("postponed", 1)

    async def test_an_answer_without_an_end_is_given_up(self, bench: Any) -> None:
        bench.graph.script = [lambda _: httpx.Response(200, content=b" " * (4 * 1024 * 1024 + 1))] * 4
        await bench.read()
        assert "more than 4 MB" in bench.voice.last.reason

    async def test_what_hangs_is_given_up_in_time(self, bench: Any) -> None:
        never = asyncio.Event()

        async def hang(_: httpx.Request) -> httpx.Response:
            await never.wait()
            raise AssertionError

        bench.graph.answer = hang
        answer = await bench.client.page(bench.PAGE, bench.TOKEN, "id", seconds=0.05)
        assert str(answer.fault) == "the platform is not reached: TimeoutError"

    async def test_a_policy_block_waits_for_long(self, bench: Any) -> None:
        bench.graph.script = [bench.error(368)]
        await bench.read()
        assert (bench.waits >= 3600, bench.voice.last.throttled) == (True, False)

    async def test_a_wrong_proof_ends_no_connection(self, bench: Any) -> None:
        bench.graph.script = [bench.error(100, "Invalid appsecret_proof provided in the API argument")]
        await bench.read()
        assert bench.voice.last.reason == "(#100) Invalid appsecret_proof provided in the API argument"
        assert bench.tokens.reported == []


class TestVersions:
    """A version that was not asked for is reported, once."""

    async def test_it_is_said_once(self, bench: Any, logged: Any) -> None:
        bench.graph.headers = {"facebook-api-version": "v26.0"}
        await bench.read()
        await bench.walk()
        bench.graph.headers = {"facebook-api-version": "v27.0"}
        await bench.read()
        told = [(line["asked"], line["served"]) for line in logged if line["log_level"] == "error"]
        assert told == [("v25.0", "v26.0"), ("v25.0", "v27.0")]
        assert len(bench.voice.records) == 3

    async def test_the_version_asked_for_is_no_news(self, bench: Any, logged: Any) -> None:
        await bench.read()
        assert not [line for line in logged if line["log_level"] == "error"]
