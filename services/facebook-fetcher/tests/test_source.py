"""Both handlers on a scripted Graph API: what is requested, what is published, and what follows from every error."""

import asyncio
import hmac
from typing import Any

import httpx
import pytest

from contracts.events import FullReadCompleted, IncrementalReadCompleted, RangeCompleted
from platform_sdk.errors import ConnectionEndedError, TransientError
from platforms.facebook.fields import PAGE_FIELDS
from platforms.facebook.rate_limit import MAX_CONCURRENT_CALLS

ENDED = "the sign-in is no longer accepted, and the merchant has to sign in again"
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


async def test_an_incremental_sync_publishes_the_record_and_completes(bench: Any) -> None:
    bench.graph.page = {"name": "Rosa's", "fan_count": 3, "emails": ["rosa@x.test"]}
    await bench.read()
    (record,) = bench.publisher.records
    assert (record.resource, record.id, record.read_at) == ("page", bench.PAGE, round(bench.NOW * 1000))
    assert (record.body["name"], record.body["email"], record.volatile_fields["fan_count"]) == (
        "Rosa's",
        "rosa@x.test",
        3,
    )
    assert bench.publisher.select(IncrementalReadCompleted)[0].unreadable == {}


async def test_requests_that_wait_for_a_page_are_one_call(bench: Any) -> None:
    await bench.handle_incremental(f"facebook:{bench.PAGE}", [bench.build_request() for _ in range(1_000)])
    assert len(bench.graph.calls) == 1
    assert len(bench.publisher.select(IncrementalReadCompleted)[0].sync_ids) == 1_000


async def test_a_full_sync_publishes_the_same_record_in_one_id_range_and_completes(bench: Any) -> None:
    await bench.read()
    assert (await bench.run_full_sync()).outcome == "completed"
    read, full = bench.publisher.records
    assert (read.body, read.volatile_fields) == (full.body, full.volatile_fields)
    (id_range,) = bench.publisher.select(RangeCompleted)
    assert (id_range.resource, id_range.id_range, id_range.attempt) == ("page", 0, 1)
    assert (id_range.sent_count, id_range.count_before, id_range.count_after) == (1, 1, 1)
    (ended,) = bench.publisher.select(FullReadCompleted)
    assert (ended.id_ranges, ended.skipped_resources, ended.started_at) == ((("page", 0),), {}, full.read_at)


async def test_the_id_range_can_be_read_again_by_itself(bench: Any) -> None:
    await bench.run_full_sync()
    assert (
        await bench.run_full_sync(cursor=bench.publisher.select(RangeCompleted)[0].retry_cursor)
    ).outcome == "completed"
    assert bench.publisher.select(RangeCompleted)[-1].attempt == 2
    assert len(bench.publisher.select(FullReadCompleted)) == 1, "the writer has the end marker already"


@pytest.mark.parametrize(("code", "subcode"), [(100, 33), (803, None)])
async def test_a_page_that_is_gone_is_a_tombstone_to_an_incremental_sync_and_not_listed_by_a_full_one(
    bench: Any, code: int, subcode: int | None
) -> None:
    bench.graph.script = [bench.build_error(code, error_subcode=subcode) for _ in range(2)]
    await bench.read()
    (tombstone,) = bench.publisher.records
    assert (tombstone.id, tombstone.body, tombstone.volatile_fields) == (bench.PAGE, None, {})
    assert bench.publisher.select(IncrementalReadCompleted)[0].unreadable == {}
    assert (await bench.run_full_sync()).outcome == "completed"
    assert bench.publisher.records == [tombstone]
    (id_range,) = bench.publisher.select(RangeCompleted)
    assert (id_range.sent_count, id_range.count_before, id_range.count_after) == (0, None, None)


async def test_ids_that_are_not_the_connections_page_fail_alone(bench: Any) -> None:
    odd = [bench.build_request(records={"page": ["42"]}), bench.build_request(records={"orders": ["7"]})]
    await bench.handle_incremental(f"facebook:{bench.PAGE}", [bench.build_request(), *odd])
    failed, completed = bench.publisher.select(IncrementalReadCompleted)
    assert (set(failed.unreadable), completed.unreadable) == ({"42", "7"}, {})
    assert len(bench.publisher.records) == len(bench.graph.calls) == 1


@pytest.mark.parametrize("name", ["me", "1/../2", "1?fields=access_token", ""])
async def test_nothing_is_requested_for_an_account_that_is_no_page(bench: Any, name: str) -> None:
    await bench.read(page=name or " ")
    assert bench.publisher.last.reason == "not the id of a page"
    assert bench.graph.calls == []


async def test_another_pages_response_is_refused(bench: Any) -> None:
    bench.graph.page = {"id": "42"}
    await bench.read()
    assert "another page" in bench.publisher.last.reason
    assert bench.publisher.records == []


async def test_a_clock_far_off_is_corrected_by_the_platforms(bench: Any) -> None:
    bench.graph.headers = {"Date": "Tue, 14 Nov 2023 21:13:20 GMT"}  # an hour before NOW
    await bench.read()
    assert bench.publisher.records[0].read_at == round((bench.NOW - 3600) * 1000)


class TestFields:
    """A field that is refused costs nothing but itself."""

    async def test_it_is_dropped_and_stands_as_null(self, bench: Any, log_lines: Any) -> None:
        bench.graph.script = [bench.build_error(100, NO_BIO)]
        await bench.read()
        assert "bio" not in bench.graph.get_fields()
        (record,) = bench.publisher.records
        assert record.body["bio"] is None
        assert record.body["name"] == "Rosa's"

    async def test_it_is_reported_once_and_not_requested_again(self, bench: Any, log_lines: Any) -> None:
        bench.graph.script = [bench.build_error(100, NO_BIO)]
        await bench.read()
        await bench.run_full_sync()
        await bench.read(page="42")
        assert len(bench.graph.calls) == 4
        assert [line["field"] for line in log_lines if line["log_level"] == "error"] == ["bio"]

    async def test_refused_to_two_pages_at_once_it_is_reported_once(self, bench: Any, log_lines: Any) -> None:
        both = asyncio.Barrier(2)

        async def respond_together(request: httpx.Request) -> httpx.Response:
            if "bio" in request.url.params["fields"]:
                await both.wait()
                return bench.build_error(100, NO_BIO)
            return bench.graph.build_page(request)

        bench.graph.respond = respond_together
        await asyncio.gather(bench.read(), bench.read(page="42"))
        assert len(bench.publisher.records) == 2
        assert [line["field"] for line in log_lines if line["log_level"] == "error"] == ["bio"]

    async def test_all_may_be_refused_but_the_id(self, benches: Any) -> None:
        bench = benches("name,odd{url},picture{uri}")
        words = ["name", "url", "uri"]
        bench.graph.script = [bench.build_error(100, f"(#100) nonexisting field ({word})") for word in words]
        bench.graph.page = {}
        await bench.read()
        (record,) = bench.publisher.records
        assert (record.body, record.volatile_fields) == (
            {"id": bench.PAGE, "name": None, "odd": None},
            {"picture": None},
        )

    async def test_one_that_was_not_requested_fails_the_sync(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(100, "(#100) nonexisting field (id)")]
        await bench.read()
        assert (bench.publisher.last.outcome, bench.publisher.last.retryable) == ("failed", False)
        assert len(bench.graph.calls) == 1


class TestTokens:
    """Dead, replaced, and never seen."""

    async def test_a_dead_token_is_reported_and_the_new_one_used(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(190, status=401, error_subcode=460)]
        bench.tokens.replacement = "another"
        await bench.read()
        assert bench.graph.calls[-1].headers["authorization"] == "Bearer another"
        assert len(bench.publisher.records) == len(bench.tokens.reported) == 1

    @pytest.mark.parametrize("code", [190, 102])
    async def test_without_another_the_connection_has_ended(self, bench: Any, code: int) -> None:
        bench.tokens.replacement = ConnectionEndedError("reauthorise")
        bench.graph.script = [bench.build_error(code), bench.build_error(code)]
        await bench.read()
        assert (bench.publisher.last.outcome, bench.publisher.last.reason) == ("failed", ENDED)
        assert (await bench.run_full_sync()).reason == ENDED
        assert len(bench.graph.calls) == 2

    async def test_a_new_token_that_is_refused_waits(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(190), bench.build_error(190)]
        bench.tokens.replacement = "another"
        await bench.read()
        assert (bench.publisher.last.outcome, bench.publisher.last.throttled) == ("postponed", False)
        assert len(bench.tokens.reported) == 1

    async def test_under_a_new_epoch_the_work_begins_anew(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(190)]
        bench.tokens.replacement, bench.tokens.epoch = "another", 2
        await bench.read()
        assert (bench.publisher.last.outcome, bench.publisher.last.reason) == ("postponed", None)
        assert bench.publisher.records == []

    async def test_what_is_denied_blocks_the_page_and_names_the_permission(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(10, "(#10) Requires pages_read_engagement permission", status=403)]
        await bench.read()
        assert bench.publisher.last.outcome == "blocked"
        assert "permission pages_read_engagement is needed" in bench.publisher.last.reason

    async def test_what_was_granted_since_is_requested_with_the_new_token(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(200)]
        bench.tokens.granted = "granted-since"
        await bench.read()
        assert bench.graph.calls[-1].headers["authorization"] == "Bearer granted-since"
        assert len(bench.publisher.records) == 1

    async def test_no_token_and_no_secret_is_ever_seen(self, bench: Any, log_lines: Any, caplog: Any) -> None:
        echo = f"Malformed access token {bench.TOKEN}"
        bench.tokens.replacement = bench.TOKEN
        for code in (190, 1, 10, 100, 4):
            bench.graph.script = [bench.build_error(code, echo)] * 4
            await bench.read(page=str(code))
        bench.graph.script = [httpx.ConnectError(echo)] * 4
        await bench.read(page="5")
        events, source = bench.publisher.messages, bench.source
        seen = f"{log_lines} {caplog.text} {events} {bench.client!r} {source!r} {vars(source)}"
        assert len(bench.graph.calls) > 6
        assert bench.TOKEN not in seen
        assert bench.SECRET not in seen


class TestThrottled:
    """A throttled call waits as long as the platform says, and so do all that share the rate limit."""

    async def test_a_page_waits_for_the_minutes_that_the_platform_names(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(80001, headers=bench.build_usage(app=10, page=100, minutes=7))]
        await bench.read()
        assert (bench.publisher.last.outcome, bench.publisher.last.throttled) == ("postponed", True)
        assert bench.waits == pytest.approx(420)

    async def test_meanwhile_nothing_is_sent_for_that_page_and_other_pages_go_on(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(80001, headers=bench.build_usage(page=100, minutes=7))]
        await bench.read()
        await bench.read()
        assert (len(bench.graph.calls), bench.publisher.last.reason) == (1, "the page's rate limit")
        await bench.read(page="42")
        assert len(bench.publisher.records) == 1

    @pytest.mark.parametrize("code", [4, 341])
    async def test_an_app_that_is_throttled_waits_for_all_its_pages(self, bench: Any, code: int) -> None:
        bench.graph.script = [bench.build_error(code, status=403, is_transient=True)]
        await bench.read()
        assert bench.waits > 60
        await bench.read(page="42")
        assert (await bench.run_full_sync(page="43")).reason == "the app's rate limit"
        assert len(bench.graph.calls) == 1

    async def test_after_the_wait_one_call_probes_and_opens_the_limit_for_all(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(4)]
        await bench.read()
        bench.clock.seconds += bench.waits
        bench.graph.headers = bench.build_usage(app=20)
        await asyncio.gather(*(bench.read(page=str(page)) for page in range(100, 110)))
        assert len(bench.publisher.records) == 10

    @pytest.mark.parametrize("code", [17, 32, 613, 80001, 80006])
    async def test_without_a_time_a_page_waits_by_itself(self, bench: Any, code: int) -> None:
        bench.graph.script = [bench.build_error(code)]
        await bench.read()
        assert (bench.publisher.last.throttled, bench.waits > 60) == (True, True)
        await bench.read(page="42")
        assert len(bench.publisher.records) == 1

    async def test_full_syncs_leave_half_of_the_apps_rate_limit(self, bench: Any) -> None:
        bench.graph.headers = bench.build_usage(app=50)
        await bench.run_full_sync()
        late = await bench.run_full_sync(page="42")
        assert (late.outcome, late.reason, late.throttled) == ("postponed", "the app's rate limit", True)
        await bench.read()
        assert len(bench.publisher.records) == 2

    async def test_incremental_syncs_stop_near_the_top(self, bench: Any) -> None:
        bench.graph.headers = bench.build_usage(page=85)
        await bench.read()
        await bench.read()
        assert (bench.publisher.last.reason, len(bench.graph.calls)) == ("the page's rate limit", 1)

    async def test_where_no_header_comes_little_is_used(self, bench: Any) -> None:
        for page in range(300):
            await bench.run_full_sync(page=str(page))
        assert len(bench.publisher.records) == 300


class TestTogether:
    """200 pages of one app at once."""

    async def test_calls_are_bounded_and_no_rate_limit_is_exceeded(self, bench: Any) -> None:
        calls, at_once, most = 0, 0, 0

        async def count(request: httpx.Request) -> httpx.Response:
            nonlocal calls, at_once, most
            calls, at_once = calls + 1, at_once + 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1
            response = bench.graph.build_page(request)
            response.headers.update(bench.build_usage(app=100 * calls // 200))
            return response

        bench.graph.respond = count
        await asyncio.gather(*(bench.run_full_sync(page=str(page)) for page in range(200)))
        assert (most, 95 <= calls <= 100) == (MAX_CONCURRENT_CALLS, True)
        await asyncio.gather(*(bench.read(page=str(page)) for page in range(200)))
        assert 165 <= calls <= 170
        assert len(bench.publisher.records) == calls


class TestTransientErrors:
    """What may be better the next time is tried a few times, and then waits."""

    @pytest.mark.parametrize("kind", ["code 1", "code 2", "503", "transient", "html", "half", "refused", "silent"])
    async def test_they_are_retried_a_few_times(self, bench: Any, kind: str) -> None:
        def fail(_: httpx.Request) -> httpx.Response:
            responses: dict[str, Any] = {
                "code 1": bench.build_error(1, status=500),
                "code 2": bench.build_error(2),
                "503": httpx.Response(503, text="away"),
                "transient": bench.build_error(99, is_transient=True),
                "html": httpx.Response(200, text="<html>"),
                "half": httpx.Response(200, text='{"id": "1'),
                "refused": httpx.ConnectError("no"),
                "silent": httpx.ReadTimeout("no"),
            }
            if isinstance(responses[kind], Exception):
                raise responses[kind]
            return responses[kind]

        bench.graph.script = [fail] * 3
        await bench.read()
        assert len(bench.publisher.records) == 1
        assert 0 < sum(bench.clock.sleeps) < 5
        bench.graph.script = [fail] * 9
        late = await bench.run_full_sync(page="42")
        assert (late.outcome, late.throttled) == ("postponed", False)
        assert len(bench.graph.calls) == 4 + 4

    async def test_a_failure_that_takes_long_is_not_retried_at_once(self, bench: Any) -> None:
        def slow(_: httpx.Request) -> httpx.Response:
            bench.clock.seconds += 5
            raise httpx.ReadTimeout("silent")

        bench.graph.script = [slow] * 2
        await bench.read()
        assert (bench.publisher.last.outcome, len(bench.graph.calls)) == ("postponed", 1)

    async def test_a_response_without_an_end_is_given_up(self, bench: Any) -> None:
        bench.graph.script = [lambda _: httpx.Response(200, content=b" " * (4 * 1024 * 1024 + 1))] * 4
        await bench.read()
        assert "more than 4 MB" in bench.publisher.last.reason

    async def test_what_hangs_is_given_up_in_time(self, bench: Any) -> None:
        never = asyncio.Event()

        async def hang(_: httpx.Request) -> httpx.Response:
            await never.wait()
            raise AssertionError

        bench.graph.respond = hang
        with pytest.raises(TransientError, match="the platform is not reached: TimeoutError"):
            await bench.client.fetch_page_or_error(bench.PAGE, bench.TOKEN, "id", seconds=0.05)

    async def test_a_policy_block_blocks_the_page_after_one_call(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(368)]
        await bench.read()
        assert (bench.publisher.last.outcome, len(bench.graph.calls)) == ("blocked", 1)
        assert bench.publisher.last.reason.startswith("restricted for a while: (#368)")

    async def test_a_wrong_proof_ends_no_connection(self, bench: Any) -> None:
        bench.graph.script = [bench.build_error(100, "Invalid appsecret_proof provided in the API argument")]
        await bench.read()
        assert bench.publisher.last.reason == "(#100) Invalid appsecret_proof provided in the API argument"
        assert bench.tokens.reported == []


class TestVersions:
    """A version that was not requested is reported, once."""

    async def test_it_is_reported_once(self, bench: Any, log_lines: Any) -> None:
        bench.graph.headers = {"facebook-api-version": "v26.0"}
        await bench.read()
        await bench.run_full_sync()
        bench.graph.headers = {"facebook-api-version": "v27.0"}
        await bench.read()
        versions = [(line["requested"], line["served"]) for line in log_lines if line["log_level"] == "error"]
        assert versions == [("v25.0", "v26.0"), ("v25.0", "v27.0")]
        assert len(bench.publisher.records) == 3

    async def test_the_requested_version_is_not_reported(self, bench: Any, log_lines: Any) -> None:
        await bench.read()
        assert not [line for line in log_lines if line["log_level"] == "error"]
