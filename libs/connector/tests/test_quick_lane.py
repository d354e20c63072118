"""The quick lane: every request ends in exactly one way, and only after Kafka has its pages."""

from typing import Any

import pytest

from connector.cursors import CursorState
from connector.handlers import IncrementalHandler
from connector.source import UnreadableRecord
from contracts.events import IncrementalReadCompleted, RecordsPage
from messaging.errors import UnavailableError
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError


def lane(
    bench: Any, platform: Any, voice: Any, *, tokens: Any = None, seconds: float = 5.0, tick: float = 0.0
) -> IncrementalHandler:
    return IncrementalHandler(
        platform,
        tokens or bench.Tokens(),
        voice,
        seconds=seconds,
        now=lambda: 1000.0,
        elapsed=bench.Clock(tick),
        uniform=bench.middle,
    )


async def fetched(bench: Any, platform: Any, *requests: Any, **fields: Any) -> Any:
    voice = bench.Voice()
    await lane(bench, platform, voice, **fields)(bench.CONNECTION, list(requests))
    return voice


async def test_requests_that_gathered_are_fetched_together_and_each_id_once(bench: Any) -> None:
    things = bench.Things(there={"a", "b"})
    voice = await fetched(bench, things, bench.wish("1", "a"), bench.wish("2", "b", "a"), bench.wish("3", "a"))
    assert things.asked == [{"things": ("a", "b")}]
    (settled,) = voice.events(IncrementalReadCompleted)
    assert set(settled.sync_ids) == {bench.named("1"), bench.named("2"), bench.named("3")}
    assert settled.asked == {"things": ("a", "b")}
    assert {page.source for page in voice.events(RecordsPage)} == {settled.source}
    assert voice.progressed == []


async def test_a_test_request_asks_for_nothing(bench: Any) -> None:
    things = bench.Things(there={"a"})
    voice = await fetched(bench, things, bench.wish("1", "a", cause="test"))
    assert voice.said == []
    assert things.asked == []


async def test_what_a_request_covers_ends_with_it(bench: Any) -> None:
    voice = await fetched(bench, bench.Things(there={"a"}), bench.wish("1", "a", covers=(bench.named("0"),)))
    assert set(voice.events(IncrementalReadCompleted)[0].sync_ids) == {bench.named("0"), bench.named("1")}


async def test_a_request_is_settled_only_after_its_pages_are_acknowledged(bench: Any) -> None:
    voice = bench.Voice()
    voice.away_after = 0
    with pytest.raises(UnavailableError):
        await lane(bench, bench.Things(there={"a"}), voice)(bench.CONNECTION, [bench.wish("1", "a")])
    assert voice.said == []
    voice.away_after = None
    await lane(bench, bench.Things(there={"a"}), voice)(bench.CONNECTION, [bench.wish("1", "a")])
    assert [type(message.event) for message in voice.said] == [RecordsPage, IncrementalReadCompleted]


async def test_the_same_requests_again_say_the_same(bench: Any) -> None:
    requests = [bench.wish("2", "b"), bench.wish("1", "a")]
    first = await fetched(bench, bench.Things(there={"a", "b"}), *requests)
    second = await fetched(bench, bench.Things(there={"a", "b"}), *reversed(requests))
    assert [m.event_id for m in first.said] == [m.event_id for m in second.said]


async def test_an_id_that_is_not_there_is_gone_and_its_request_settled(bench: Any) -> None:
    voice = await fetched(bench, bench.Things(), bench.wish("1", "a"))
    (page,) = voice.events(RecordsPage)
    assert (page.records[0].body, page.records[0].part) == (None, None)
    assert voice.events(IncrementalReadCompleted)[0].failed == {}


async def test_a_throttled_batch_is_postponed_with_its_ids(bench: Any) -> None:
    things = bench.Things(
        there={"a", "b", "c"}, stop_at={"b": RetryLaterError("the rate limit", seconds=7, throttled=True)}
    )
    voice = await fetched(bench, things, bench.wish("1", "a"), bench.wish("2", "b"), bench.wish("3", "c", attempt=4))
    (late,) = voice.progressed
    assert (late.outcome, late.throttled, late.not_before) == ("postponed", True, 1_007_000)
    assert late.records == {"things": ("b", "c")}
    assert set(late.sync_ids) == {bench.named("2"), bench.named("3")}
    assert late.attempt == 4
    assert voice.events(IncrementalReadCompleted)[0].sync_ids == (bench.named("1"),)


async def test_a_postponement_is_said_before_the_settled_marker(bench: Any) -> None:
    things = bench.Things(there={"a", "b"}, stop_at={"b": RetryLaterError("wait")})
    voice = await fetched(bench, things, bench.wish("1", "a"), bench.wish("2", "b"))
    assert [type(m.event).__name__ for m in voice.said] == ["RecordsPage", "SyncProgressed", "Settled"]


async def test_a_postponed_request_goes_on_where_it_was_under_the_same_source(bench: Any) -> None:
    things = bench.Things(there={"a", "b", "c"}, stop_at={"b": RetryLaterError("wait")})
    voice = await fetched(bench, things, bench.wish("1", "a", "b", "c"))
    (late,) = voice.progressed
    again = bench.wish("1", *late.records["things"], cursor=late.cursor, attempt=late.attempt + 1)
    more = await fetched(bench, things, again, bench.wish("2", "z"))
    assert things.asked[1:] == [{"things": ("z",)}, {"things": ("a", "b", "c")}]
    assert more.listed == ["z", "b", "c"]
    before, after = voice.events(RecordsPage)[0], more.events(RecordsPage)[1]
    assert before.source == after.source
    assert (before.step, after.step) == (0, 1), "the pages of a second try must not take the place of the first's"


async def test_what_is_left_of_a_group_goes_on_under_a_source_of_its_own(bench: Any) -> None:
    things = bench.Things(there={"a", "b"}, stop_at={"b": RetryLaterError("wait")})
    voice = await fetched(bench, things, bench.wish("1", "a"), bench.wish("2", "b"))
    (late,) = voice.progressed
    more = await fetched(bench, things, bench.wish("2", "b", cursor=late.cursor, attempt=2))
    assert more.events(IncrementalReadCompleted)[0].source != voice.events(IncrementalReadCompleted)[0].source


async def test_a_new_attempt_has_a_source_of_its_own(bench: Any) -> None:
    one = await fetched(bench, bench.Things(), bench.wish("1", "a"))
    two = await fetched(bench, bench.Things(), bench.wish("1", "a", attempt=2))
    assert one.events(IncrementalReadCompleted)[0].source != two.events(IncrementalReadCompleted)[0].source


async def test_an_id_that_cannot_be_read_fails_its_own_requests_alone(bench: Any) -> None:
    unread = UnreadableRecord("things", "b", "access denied")
    things = bench.Things(there={"a", "b"}, unread={"b": unread})
    voice = await fetched(bench, things, bench.wish("1", "a"), bench.wish("2", "b"))
    failed, good = voice.events(IncrementalReadCompleted)
    assert (failed.sync_ids, failed.failed) == ((bench.named("2"),), {"b": "access denied"})
    assert (good.sync_ids, good.failed) == ((bench.named("1"),), {})
    assert failed.source != good.source
    assert "b" not in voice.listed, "what cannot be read is not gone"


async def test_an_id_that_may_be_read_later_postpones_its_requests(bench: Any) -> None:
    unread = UnreadableRecord("things", "b", "internal error", retryable=True)
    things = bench.Things(there={"a", "b"}, unread={"b": unread})
    voice = await fetched(bench, things, bench.wish("1", "a"), bench.wish("2", "b", attempt=3))
    (late,) = voice.progressed
    assert (late.outcome, late.records) == ("postponed", {"things": ("b",)})
    assert voice.events(IncrementalReadCompleted)[0].sync_ids == (bench.named("1"),)


async def test_when_the_time_is_up_the_rest_is_postponed_at_once(bench: Any) -> None:
    things = bench.Things(there={"a", "b", "c"})
    voice = await fetched(bench, things, bench.wish("1", "a", "b", "c"), seconds=5, tick=4)
    (late,) = voice.progressed
    assert (late.outcome, late.not_before) == ("postponed", 1_000_000)
    assert (late.reason, late.throttled) == (None, False), "nothing was in vain, so nothing is counted"
    assert voice.listed == ["a", "b"]


async def test_waits_grow_with_the_attempts_in_vain(bench: Any) -> None:
    waits = []
    for attempt in (1, 2, 3, 30):
        things = bench.Things(there={"a"}, stop_at={"a": RetryLaterError("503")})
        voice = await fetched(bench, things, bench.wish("1", "a", attempt=attempt))
        waits.append(voice.progressed[0].not_before - 1_000_000)
    assert waits == [2_000, 4_000, 8_000, 600_000]


async def test_a_record_in_parts_is_read_only_when_its_last_part_is(bench: Any) -> None:
    things = bench.Things(there={"a", "b"}, pieces={"a"}, stop_at={"b": RetryLaterError("wait")})
    voice = await fetched(bench, things, bench.wish("1", "a"), bench.wish("2", "b"))
    assert voice.events(IncrementalReadCompleted)[0].sync_ids == (bench.named("1"),)
    assert voice.listed == ["a", "a"]


@pytest.mark.parametrize("retry", [True, False])
async def test_a_refusal_fails_what_is_not_read(bench: Any, retry: bool) -> None:
    things = bench.Things(there={"a", "b"}, stop_at={"b": PermanentError("frozen", retryable=retry)})
    voice = await fetched(bench, things, bench.wish("1", "a"), bench.wish("2", "b"))
    (failed,) = voice.progressed
    assert (failed.outcome, failed.reason, failed.retry) == ("failed", "frozen", retry)
    assert failed.sync_ids == (bench.named("2"),)


async def test_an_ended_connection_fails_all_its_requests(bench: Any) -> None:
    tokens = bench.Tokens(ConnectionEndedError("uninstalled"))
    voice = await fetched(bench, bench.Things(), bench.wish("1", "a"), tokens=tokens)
    (failed,) = voice.progressed
    assert (failed.outcome, failed.retry, failed.reason) == ("failed", False, "connection is uninstalled")


async def test_without_the_gateway_nothing_is_said(bench: Any) -> None:
    voice = bench.Voice()
    with pytest.raises(UnavailableError):
        await lane(bench, bench.Things(), voice, tokens=bench.Tokens(UnavailableError("gateway")))(
            bench.CONNECTION, [bench.wish("1", "a")]
        )
    assert voice.said == []


async def test_without_a_token_for_now_all_requests_are_postponed_for_longer_each_time(bench: Any) -> None:
    tokens, waits = bench.Tokens(RetryLaterError("no token", seconds=30, escalates=True)), []
    for attempt in (1, 2, 3, 30):
        requests = [bench.wish("1", "a", attempt=attempt), bench.wish("2", "b")]
        (late,) = (await fetched(bench, bench.Things(), *requests, tokens=tokens)).progressed
        assert (late.outcome, late.reason, late.throttled, late.cursor) == ("postponed", "no token", False, None)
        assert late.records == {"things": ("a", "b")}
        waits.append(late.not_before - 1_000_000)
    assert waits == [30_000, 60_000, 120_000, 600_000]


async def test_without_a_token_for_now_a_request_keeps_its_place(bench: Any) -> None:
    things = bench.Things(there={"a", "b"}, stop_at={"b": RetryLaterError("wait")})
    (late,) = (await fetched(bench, things, bench.wish("1", "a", "b"))).progressed
    again = bench.wish("1", "a", "b", cursor=late.cursor, attempt=2)
    (later,) = (await fetched(bench, things, again, tokens=bench.Tokens(RetryLaterError("no token")))).progressed
    assert later.cursor == late.cursor


@pytest.mark.parametrize(
    ("wait", "bounds"),
    [(RetryLaterError("503"), (1_600, 2_400)), (RetryLaterError("429", seconds=10, throttled=True), (10_000, 12_000))],
    ids=["guessed", "told"],
)
async def test_waits_are_spread_but_never_shorter_than_the_platform_asked_for(
    bench: Any, wait: RetryLaterError, bounds: tuple[int, int]
) -> None:
    for chosen, bound in zip((min, max), bounds, strict=True):
        voice, things = bench.Voice(), bench.Things(stop_at={"a": wait})
        quick = IncrementalHandler(things, bench.Tokens(), voice, seconds=5, now=lambda: 1000.0, uniform=chosen)
        await quick(bench.CONNECTION, [bench.wish("1", "a")])
        assert voice.progressed[0].not_before - 1_000_000 == bound


async def test_a_request_with_an_id_that_cannot_be_read_goes_on_with_its_others(bench: Any) -> None:
    things = bench.Things(
        there={"a", "b", "c"},
        unread={"a": UnreadableRecord("things", "a", "no")},
        stop_at={"c": RetryLaterError("wait")},
    )
    voice = await fetched(bench, things, bench.wish("1", "a", "b", "c"))
    (late,) = voice.progressed
    assert (late.outcome, voice.events(IncrementalReadCompleted)) == ("postponed", [])
    assert CursorState.decode(late.cursor).position is not None


async def test_what_postpones_a_request_is_named(bench: Any) -> None:
    things = bench.Things(there={"b"}, unread={"a": UnreadableRecord("things", "a", "internal error", retryable=True)})
    (late,) = (await fetched(bench, things, bench.wish("1", "a", "b"))).progressed
    assert (late.reason, late.throttled) == ("a: internal error", False)
