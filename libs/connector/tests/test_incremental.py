"""Incremental syncs: every request ends in exactly one way, and only after Kafka has its pages."""

from dataclasses import replace
from typing import Any

import pytest

from connector.handlers.incremental import IncrementalHandler
from connector.source import UnreadableRecord
from contracts.cursors import CursorState
from contracts.events import IncrementalReadCompleted, RecordsPage
from messaging.errors import UnavailableError
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError


def build_handler(
    bench: Any, source: Any, publisher: Any, *, tokens: Any = None, seconds: float = 5.0, tick: float = 0.0
) -> IncrementalHandler:
    return IncrementalHandler(bench.build_dependencies(source, publisher, tokens=tokens, tick=tick), seconds=seconds)


async def run(bench: Any, source: Any, *requests: Any, **fields: Any) -> Any:
    publisher = bench.FakePublisher()
    await build_handler(bench, source, publisher, **fields)(bench.CONNECTION, list(requests))
    return publisher


async def test_waiting_requests_are_read_together_and_each_id_once(bench: Any) -> None:
    source = bench.ThingSource(existing={"a", "b"})
    publisher = await run(
        bench, source, bench.build_request("1", "a"), bench.build_request("2", "b", "a"), bench.build_request("3", "a")
    )
    assert source.requested == [{"things": ("a", "b")}]
    (completed,) = publisher.select(IncrementalReadCompleted)
    assert set(completed.sync_ids) == {bench.derive_sync_id("1"), bench.derive_sync_id("2"), bench.derive_sync_id("3")}
    assert completed.requested == {"things": ("a", "b")}
    assert {page.read_id for page in publisher.select(RecordsPage)} == {completed.read_id}
    assert publisher.progress == []


async def test_a_probe_reads_nothing(bench: Any) -> None:
    source = bench.ThingSource(existing={"a"})
    publisher = await run(bench, source, bench.build_request("1", "a", cause="probe"))
    assert publisher.messages == []
    assert source.requested == []


async def test_coalesced_syncs_end_with_their_request(bench: Any) -> None:
    publisher = await run(
        bench,
        bench.ThingSource(existing={"a"}),
        bench.build_request("1", "a", coalesced_sync_ids=(bench.derive_sync_id("0"),)),
    )
    assert set(publisher.select(IncrementalReadCompleted)[0].sync_ids) == {
        bench.derive_sync_id("0"),
        bench.derive_sync_id("1"),
    }


async def test_a_request_is_completed_only_after_its_pages_are_acknowledged(bench: Any) -> None:
    publisher = bench.FakePublisher()
    publisher.away_after = 0
    with pytest.raises(UnavailableError):
        await build_handler(bench, bench.ThingSource(existing={"a"}), publisher)(
            bench.CONNECTION, [bench.build_request("1", "a")]
        )
    assert publisher.messages == []
    publisher.away_after = None
    await build_handler(bench, bench.ThingSource(existing={"a"}), publisher)(
        bench.CONNECTION, [bench.build_request("1", "a")]
    )
    assert [type(message.event) for message in publisher.messages] == [RecordsPage, IncrementalReadCompleted]


async def test_the_same_requests_again_publish_the_same(bench: Any) -> None:
    requests = [bench.build_request("2", "b"), bench.build_request("1", "a")]
    first = await run(bench, bench.ThingSource(existing={"a", "b"}), *requests)
    second = await run(bench, bench.ThingSource(existing={"a", "b"}), *reversed(requests))
    assert [m.event_id for m in first.messages] == [m.event_id for m in second.messages]


async def test_an_id_that_is_not_there_is_gone_and_its_request_completed(bench: Any) -> None:
    publisher = await run(bench, bench.ThingSource(), bench.build_request("1", "a"))
    (page,) = publisher.select(RecordsPage)
    assert (page.records[0].body, page.records[0].chunk) == (None, None)
    assert publisher.select(IncrementalReadCompleted)[0].unreadable == {}


async def test_a_throttled_batch_is_postponed_with_its_ids(bench: Any) -> None:
    source = bench.ThingSource(
        existing={"a", "b", "c"}, stop_at={"b": RetryLaterError("the rate limit", seconds=7, throttled=True)}
    )
    publisher = await run(
        bench,
        source,
        bench.build_request("1", "a"),
        bench.build_request("2", "b"),
        bench.build_request("3", "c", attempt=4),
    )
    (late,) = publisher.progress
    assert (late.outcome, late.throttled, late.not_before) == ("postponed", True, 1_007_000)
    assert late.records == {"things": ("b", "c")}
    assert set(late.sync_ids) == {bench.derive_sync_id("2"), bench.derive_sync_id("3")}
    assert late.attempt == 4
    assert publisher.select(IncrementalReadCompleted)[0].sync_ids == (bench.derive_sync_id("1"),)


async def test_a_postponement_is_published_before_the_end_marker(bench: Any) -> None:
    source = bench.ThingSource(existing={"a", "b"}, stop_at={"b": RetryLaterError("wait")})
    publisher = await run(bench, source, bench.build_request("1", "a"), bench.build_request("2", "b"))
    assert [type(m.event).__name__ for m in publisher.messages] == [
        "RecordsPage",
        "SyncProgressed",
        "IncrementalReadCompleted",
    ]


async def test_a_postponed_request_goes_on_where_it_was_under_the_same_read_id(bench: Any) -> None:
    source = bench.ThingSource(existing={"a", "b", "c"}, stop_at={"b": RetryLaterError("wait")})
    publisher = await run(bench, source, bench.build_request("1", "a", "b", "c"))
    (late,) = publisher.progress
    again = bench.build_request("1", *late.records["things"], cursor=late.cursor, attempt=late.attempt + 1)
    more = await run(bench, source, again, bench.build_request("2", "z"))
    assert source.requested[1:] == [{"things": ("z",)}, {"things": ("a", "b", "c")}]
    assert more.record_ids == ["z", "b", "c"]
    before, after = publisher.select(RecordsPage)[0], more.select(RecordsPage)[1]
    assert before.read_id == after.read_id
    assert (before.step, after.step) == (0, 1), "the pages of a second try must not take the place of the first's"


async def test_what_is_left_of_a_group_goes_on_under_a_read_id_of_its_own(bench: Any) -> None:
    source = bench.ThingSource(existing={"a", "b"}, stop_at={"b": RetryLaterError("wait")})
    publisher = await run(bench, source, bench.build_request("1", "a"), bench.build_request("2", "b"))
    (late,) = publisher.progress
    more = await run(bench, source, bench.build_request("2", "b", cursor=late.cursor, attempt=2))
    assert more.select(IncrementalReadCompleted)[0].read_id != publisher.select(IncrementalReadCompleted)[0].read_id


async def test_a_new_attempt_has_a_read_id_of_its_own(bench: Any) -> None:
    one = await run(bench, bench.ThingSource(), bench.build_request("1", "a"))
    two = await run(bench, bench.ThingSource(), bench.build_request("1", "a", attempt=2))
    assert one.select(IncrementalReadCompleted)[0].read_id != two.select(IncrementalReadCompleted)[0].read_id


async def test_an_id_that_cannot_be_read_fails_its_own_requests_alone(bench: Any) -> None:
    unreadable = UnreadableRecord("things", "b", "access denied")
    source = bench.ThingSource(existing={"a", "b"}, unreadable={"b": unreadable})
    publisher = await run(bench, source, bench.build_request("1", "a"), bench.build_request("2", "b"))
    failed, good = publisher.select(IncrementalReadCompleted)
    assert (failed.sync_ids, failed.unreadable) == ((bench.derive_sync_id("2"),), {"b": "access denied"})
    assert (good.sync_ids, good.unreadable) == ((bench.derive_sync_id("1"),), {})
    assert failed.read_id != good.read_id
    assert "b" not in publisher.record_ids, "what cannot be read is not gone"


async def test_an_id_that_may_be_read_later_postpones_its_requests(bench: Any) -> None:
    unreadable = UnreadableRecord("things", "b", "internal error", retryable=True)
    source = bench.ThingSource(existing={"a", "b"}, unreadable={"b": unreadable})
    publisher = await run(bench, source, bench.build_request("1", "a"), bench.build_request("2", "b", attempt=3))
    (late,) = publisher.progress
    assert (late.outcome, late.records) == ("postponed", {"things": ("b",)})
    assert publisher.select(IncrementalReadCompleted)[0].sync_ids == (bench.derive_sync_id("1"),)


async def test_when_the_time_is_up_the_rest_is_postponed_at_once(bench: Any) -> None:
    source = bench.ThingSource(existing={"a", "b", "c"})
    publisher = await run(bench, source, bench.build_request("1", "a", "b", "c"), seconds=5, tick=4)
    (late,) = publisher.progress
    assert (late.outcome, late.not_before) == ("postponed", 1_000_000)
    assert (late.reason, late.throttled) == (None, False), "nothing was in vain, so nothing is counted"
    assert publisher.record_ids == ["a", "b"]


async def test_waits_grow_with_the_attempts_in_vain(bench: Any) -> None:
    waits = []
    for attempt in (1, 2, 3, 30):
        source = bench.ThingSource(existing={"a"}, stop_at={"a": RetryLaterError("503")})
        publisher = await run(bench, source, bench.build_request("1", "a", attempt=attempt))
        waits.append(publisher.progress[0].not_before - 1_000_000)
    assert waits == [2_000, 4_000, 8_000, 600_000]


async def test_a_chunked_record_is_read_only_when_its_last_chunk_is(bench: Any) -> None:
    source = bench.ThingSource(existing={"a", "b"}, chunked={"a"}, stop_at={"b": RetryLaterError("wait")})
    publisher = await run(bench, source, bench.build_request("1", "a"), bench.build_request("2", "b"))
    assert publisher.select(IncrementalReadCompleted)[0].sync_ids == (bench.derive_sync_id("1"),)
    assert publisher.record_ids == ["a", "a"]


@pytest.mark.parametrize("retryable", [True, False])
async def test_a_permanent_error_fails_what_is_not_read(bench: Any, retryable: bool) -> None:
    source = bench.ThingSource(existing={"a", "b"}, stop_at={"b": PermanentError("frozen", retryable=retryable)})
    publisher = await run(bench, source, bench.build_request("1", "a"), bench.build_request("2", "b"))
    (failed,) = publisher.progress
    assert (failed.outcome, failed.reason, failed.retryable) == ("failed", "frozen", retryable)
    assert failed.sync_ids == (bench.derive_sync_id("2"),)


async def test_an_ended_connection_fails_all_its_requests(bench: Any) -> None:
    tokens = bench.FakeTokens(ConnectionEndedError("uninstalled"))
    publisher = await run(bench, bench.ThingSource(), bench.build_request("1", "a"), tokens=tokens)
    (failed,) = publisher.progress
    assert (failed.outcome, failed.retryable, failed.reason) == ("failed", False, "the account is disconnected")


async def test_without_the_gateway_nothing_is_published(bench: Any) -> None:
    publisher = bench.FakePublisher()
    with pytest.raises(UnavailableError):
        await build_handler(
            bench, bench.ThingSource(), publisher, tokens=bench.FakeTokens(UnavailableError("gateway"))
        )(bench.CONNECTION, [bench.build_request("1", "a")])
    assert publisher.messages == []


async def test_without_a_token_for_now_all_requests_are_postponed_for_longer_each_time(bench: Any) -> None:
    tokens, waits = bench.FakeTokens(RetryLaterError("no token", seconds=30, escalates=True)), []
    for attempt in (1, 2, 3, 30):
        requests = [bench.build_request("1", "a", attempt=attempt), bench.build_request("2", "b")]
        (late,) = (await run(bench, bench.ThingSource(), *requests, tokens=tokens)).progress
        assert (late.outcome, late.reason, late.throttled, late.cursor) == ("postponed", "no token", False, None)
        assert late.records == {"things": ("a", "b")}
        waits.append(late.not_before - 1_000_000)
    assert waits == [30_000, 60_000, 120_000, 600_000]


async def test_without_a_token_for_now_a_request_keeps_its_cursor(bench: Any) -> None:
    source = bench.ThingSource(existing={"a", "b"}, stop_at={"b": RetryLaterError("wait")})
    (late,) = (await run(bench, source, bench.build_request("1", "a", "b"))).progress
    again = bench.build_request("1", "a", "b", cursor=late.cursor, attempt=2)
    (later,) = (await run(bench, source, again, tokens=bench.FakeTokens(RetryLaterError("no token")))).progress
    assert later.cursor == late.cursor


@pytest.mark.parametrize(
    ("wait", "bounds"),
    [(RetryLaterError("503"), (1_600, 2_400)), (RetryLaterError("429", seconds=10, throttled=True), (10_000, 12_000))],
    ids=["guessed", "requested"],
)
async def test_waits_are_spread_but_never_shorter_than_the_platform_asked_for(
    bench: Any, wait: RetryLaterError, bounds: tuple[int, int]
) -> None:
    for uniform, bound in zip((min, max), bounds, strict=True):
        publisher, source = bench.FakePublisher(), bench.ThingSource(stop_at={"a": wait})
        handle = IncrementalHandler(replace(bench.build_dependencies(source, publisher), uniform=uniform), seconds=5)
        await handle(bench.CONNECTION, [bench.build_request("1", "a")])
        assert publisher.progress[0].not_before - 1_000_000 == bound


async def test_a_request_with_an_id_that_cannot_be_read_goes_on_with_its_others(bench: Any) -> None:
    source = bench.ThingSource(
        existing={"a", "b", "c"},
        unreadable={"a": UnreadableRecord("things", "a", "no")},
        stop_at={"c": RetryLaterError("wait")},
    )
    publisher = await run(bench, source, bench.build_request("1", "a", "b", "c"))
    (late,) = publisher.progress
    assert (late.outcome, publisher.select(IncrementalReadCompleted)) == ("postponed", [])
    assert CursorState.decode(late.cursor).position is not None


async def test_a_postponement_names_the_record_that_caused_it(bench: Any) -> None:
    source = bench.ThingSource(
        existing={"b"}, unreadable={"a": UnreadableRecord("things", "a", "internal error", retryable=True)}
    )
    (late,) = (await run(bench, source, bench.build_request("1", "a", "b"))).progress
    assert (late.reason, late.throttled) == ("a: internal error", False)
