"""The walk lane: bounded steps that may run twice."""

from typing import Any

import pytest

from connector.cursors import CursorState
from connector.handlers import FullSyncHandler
from contracts.events import FullReadCompleted, RangeCompleted, RecordsPage
from messaging.errors import UnavailableError
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError


def lane(bench: Any, things: Any, voice: Any, *, tick: float = 0.0, tokens: Any = None) -> FullSyncHandler:
    clock = bench.Clock(tick)
    return FullSyncHandler(
        things,
        tokens or bench.Tokens(),
        voice,
        seconds=5,
        now=lambda: 1000.0,
        elapsed=clock,
        uniform=bench.middle,
    )


async def test_a_walk_goes_on_step_by_step_to_its_end(bench: Any) -> None:
    things, voice = bench.Things(there={"a", "b", "c", "d", "e"}), bench.Voice()
    walk, cursor, steps = lane(bench, things, voice, tick=3), None, 0
    while not voice.progressed or voice.progressed[-1].outcome == "advanced":
        await walk(bench.CONNECTION, [bench.step(steps, cursor)])
        cursor, steps = voice.progressed[-1].cursor, steps + 1
    assert steps == 3
    assert voice.listed == ["a", "b", "c", "d", "e"]
    assert [p.outcome for p in voice.progressed] == ["advanced", "advanced", "completed"]
    assert [p.step for p in voice.progressed] == [0, 1, 2]
    assert {page.step for page in voice.events(RecordsPage)} == {0, 1, 2}
    assert voice.events(RangeCompleted)[0].sent == 5


async def test_markers_follow_the_pages_that_they_end(bench: Any) -> None:
    voice = bench.Voice()
    await lane(bench, bench.Things(there={"a"}), voice)(bench.CONNECTION, [bench.step(0)])
    said = [type(message.event).__name__ for message in voice.said]
    assert said == ["RecordsPage", "WindowEnded", "WalkEnded", "SyncProgressed"]
    assert {m.topic for m in voice.said[:3]} == {"data.fetched.shopify.full"}


async def test_a_step_run_twice_says_the_same_markers(bench: Any) -> None:
    first, second = bench.Voice(), bench.Voice()
    for voice in (first, second):
        await lane(bench, bench.Things(there={"a", "b"}), voice)(bench.CONNECTION, [bench.step(3)])
    assert [m.event_id for m in first.said] == [m.event_id for m in second.said]
    for kind in (RangeCompleted, FullReadCompleted):
        assert first.events(kind) == second.events(kind)


async def test_a_window_is_walked_again_from_its_markers_cursor(bench: Any) -> None:
    voice = bench.Voice()
    walk = lane(bench, bench.Things(there={"a", "b"}), voice)
    await walk(bench.CONNECTION, [bench.step(0)])
    await walk(bench.CONNECTION, [bench.step(1, voice.events(RangeCompleted)[0].again)])
    assert voice.listed == ["a", "b", "a", "b"]


async def test_what_must_wait_is_postponed_from_the_last_place(bench: Any) -> None:
    voice = bench.Voice()
    things = bench.Things(there={"a", "b"}, stop_at={"b": RetryLaterError("the rate limit", seconds=3, throttled=True)})
    walk = lane(bench, things, voice)
    await walk(bench.CONNECTION, [bench.step(0)])
    (late,) = voice.progressed
    assert (late.outcome, late.throttled, late.not_before) == ("postponed", True, 1_003_000)
    assert voice.listed == ["a"]
    await walk(bench.CONNECTION, [bench.step(1, late.cursor)])
    assert voice.listed == ["a", "b"]
    assert voice.progressed[-1].outcome == "completed"


async def test_waits_grow_while_nothing_is_reached(bench: Any) -> None:
    voice, cursor = bench.Voice(), None
    things = bench.Things(there={"a"}, stop_at={"a": RetryLaterError("503")}, once=False)
    for number in range(3):
        await lane(bench, things, voice)(bench.CONNECTION, [bench.step(number, cursor)])
        cursor = voice.progressed[-1].cursor
    assert [p.not_before - 1_000_000 for p in voice.progressed] == [2_000, 4_000, 8_000]


async def test_a_refusal_fails_the_walk_and_says_why(bench: Any) -> None:
    voice = bench.Voice()
    things = bench.Things(there={"a"}, stop_at={"a": PermanentError("access denied")})
    await lane(bench, things, voice)(bench.CONNECTION, [bench.step(0)])
    (failed,) = voice.progressed
    assert (failed.outcome, failed.reason, failed.retry) == ("failed", "access denied", False)
    assert voice.events(FullReadCompleted) == []


async def test_an_ended_connection_ends_the_walk(bench: Any) -> None:
    voice = bench.Voice()
    await lane(bench, bench.Things(), voice, tokens=bench.Tokens(ConnectionEndedError("redacted")))(
        bench.CONNECTION, [bench.step(0)]
    )
    assert (voice.progressed[0].outcome, voice.progressed[0].retry) == ("failed", False)


async def test_a_step_is_not_over_before_kafka_has_its_pages(bench: Any) -> None:
    voice = bench.Voice()
    voice.away_after = 0
    with pytest.raises(UnavailableError):
        await lane(bench, bench.Things(there={"a"}), voice)(bench.CONNECTION, [bench.step(0)])
    assert voice.said == []


async def test_without_a_token_for_now_the_step_is_postponed_for_longer_each_time(bench: Any) -> None:
    voice, cursor = bench.Voice(), None
    walk = lane(
        bench, bench.Things(), voice, tokens=bench.Tokens(RetryLaterError("no token", seconds=30, escalates=True))
    )
    for number in range(3):
        await walk(bench.CONNECTION, [bench.step(number, cursor)])
        cursor = voice.progressed[-1].cursor
    assert [p.not_before - 1_000_000 for p in voice.progressed] == [30_000, 60_000, 120_000]
    assert {(p.outcome, p.reason, p.throttled) for p in voice.progressed} == {("postponed", "no token", False)}


async def test_a_step_that_was_asked_for_again_while_it_waited_runs_once(bench: Any) -> None:
    voice, things = bench.Voice(), bench.Things(there={"a", "b"})
    other = bench.step(0).model_copy(update={"sync_id": bench.named("other")})
    again = '{"n": 1, "sent": 1}'
    steps = [bench.step(1), other, bench.step(2, CursorState(0, again).encode()), bench.step(2, None), bench.step(1)]
    await lane(bench, things, voice)(bench.CONNECTION, steps)
    assert [(p.sync_ids[0], p.step) for p in voice.progressed] == [(bench.named("walk"), 2), (bench.named("other"), 0)]
    assert voice.listed == ["b", "a", "b"]


async def test_a_walk_begins_with_the_scopes_of_its_beginning(bench: Any) -> None:
    tokens, voice = bench.Tokens(), bench.Voice()
    walk = lane(bench, bench.Things(there={"a", "b"}), voice, tick=6, tokens=tokens)
    await walk(bench.CONNECTION, [bench.step(0)])
    await walk(bench.CONNECTION, [bench.step(1, voice.progressed[-1].cursor)])
    assert tokens.anew == [True, False]
