"""Full syncs: bounded steps that may run twice."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from connector.handlers.full_sync import FullSyncHandler
from connector.source import FullReadEnd, FullReadStep, IdList, RangeEnd, UnreadableRecord
from contracts.cursors import CursorState
from contracts.events import DirectReadCompleted, FullReadCompleted, IdsListed, RangeCompleted, RecordsPage
from messaging.errors import UnavailableError
from platform_sdk.errors import ConnectionEndedError, PermanentError, RetryLaterError
from platform_sdk.session import FullReadState, SyncContext


def build_handler(bench: Any, source: Any, publisher: Any, *, tick: float = 0.0, tokens: Any = None) -> FullSyncHandler:
    return FullSyncHandler(bench.build_dependencies(source, publisher, tokens=tokens, tick=tick), seconds=5)


async def test_a_full_sync_continues_step_by_step_to_its_end(bench: Any) -> None:
    source, publisher = bench.ThingSource(existing={"a", "b", "c", "d", "e"}), bench.FakePublisher()
    handle, cursor, steps = build_handler(bench, source, publisher, tick=3), None, 0
    while not publisher.progress or publisher.progress[-1].outcome == "advanced":
        await handle(bench.CONNECTION, [bench.build_step(steps, cursor)])
        cursor, steps = publisher.progress[-1].cursor, steps + 1
    assert steps == 3
    assert publisher.record_ids == ["a", "b", "c", "d", "e"]
    assert [p.outcome for p in publisher.progress] == ["advanced", "advanced", "completed"]
    assert [p.step for p in publisher.progress] == [0, 1, 2]
    assert {page.step for page in publisher.select(RecordsPage)} == {0, 1, 2}
    assert publisher.select(RangeCompleted)[0].sent_count == 5


async def test_markers_follow_the_pages_that_they_end(bench: Any) -> None:
    publisher = bench.FakePublisher()
    await build_handler(bench, bench.ThingSource(existing={"a"}), publisher)(bench.CONNECTION, [bench.build_step(0)])
    names = [type(message.event).__name__ for message in publisher.messages]
    assert names == ["RecordsPage", "RangeCompleted", "FullReadCompleted", "SyncProgressed"]
    assert {m.topic for m in publisher.messages[:3]} == {"data.fetched.toy.full"}


async def test_a_step_run_twice_publishes_the_same_markers(bench: Any) -> None:
    first, second = bench.FakePublisher(), bench.FakePublisher()
    for publisher in (first, second):
        await build_handler(bench, bench.ThingSource(existing={"a", "b"}), publisher)(
            bench.CONNECTION, [bench.build_step(3)]
        )
    assert [m.event_id for m in first.messages] == [m.event_id for m in second.messages]
    for event_type in (RangeCompleted, FullReadCompleted):
        assert first.select(event_type) == second.select(event_type)


async def test_an_id_range_is_read_again_from_its_markers_cursor(bench: Any) -> None:
    publisher = bench.FakePublisher()
    handle = build_handler(bench, bench.ThingSource(existing={"a", "b"}), publisher)
    await handle(bench.CONNECTION, [bench.build_step(0)])
    await handle(bench.CONNECTION, [bench.build_step(1, publisher.select(RangeCompleted)[0].retry_cursor)])
    assert publisher.record_ids == ["a", "b", "a", "b"]


async def test_what_must_wait_is_postponed_from_the_last_checkpoint(bench: Any) -> None:
    publisher = bench.FakePublisher()
    source = bench.ThingSource(
        existing={"a", "b"}, stop_at={"b": RetryLaterError("the rate limit", seconds=3, throttled=True)}
    )
    handle = build_handler(bench, source, publisher)
    await handle(bench.CONNECTION, [bench.build_step(0)])
    (late,) = publisher.progress
    assert (late.outcome, late.throttled, late.not_before) == ("postponed", True, 1_003_000)
    assert publisher.record_ids == ["a"]
    await handle(bench.CONNECTION, [bench.build_step(1, late.cursor)])
    assert publisher.record_ids == ["a", "b"]
    assert publisher.progress[-1].outcome == "completed"


async def test_waits_grow_without_progress(bench: Any) -> None:
    publisher, cursor = bench.FakePublisher(), None
    source = bench.ThingSource(existing={"a"}, stop_at={"a": RetryLaterError("503")}, once=False)
    for number in range(3):
        await build_handler(bench, source, publisher)(bench.CONNECTION, [bench.build_step(number, cursor)])
        cursor = publisher.progress[-1].cursor
    assert [p.not_before - 1_000_000 for p in publisher.progress] == [2_000, 4_000, 8_000]


async def test_a_permanent_error_fails_the_sync_with_its_reason(bench: Any) -> None:
    publisher = bench.FakePublisher()
    source = bench.ThingSource(existing={"a"}, stop_at={"a": PermanentError("access denied")})
    await build_handler(bench, source, publisher)(bench.CONNECTION, [bench.build_step(0)])
    (failed,) = publisher.progress
    assert (failed.outcome, failed.reason, failed.retryable) == ("failed", "access denied", False)
    assert publisher.select(FullReadCompleted) == []


async def test_an_ended_connection_fails_the_sync(bench: Any) -> None:
    publisher = bench.FakePublisher()
    await build_handler(
        bench, bench.ThingSource(), publisher, tokens=bench.FakeTokens(ConnectionEndedError("redacted"))
    )(bench.CONNECTION, [bench.build_step(0)])
    assert (publisher.progress[0].outcome, publisher.progress[0].retryable) == ("failed", False)


async def test_a_step_is_not_over_before_kafka_has_its_pages(bench: Any) -> None:
    publisher = bench.FakePublisher()
    publisher.away_after = 0
    with pytest.raises(UnavailableError):
        await build_handler(bench, bench.ThingSource(existing={"a"}), publisher)(
            bench.CONNECTION, [bench.build_step(0)]
        )
    assert publisher.messages == []


async def test_without_a_token_for_now_the_step_is_postponed_for_longer_each_time(bench: Any) -> None:
    publisher, cursor = bench.FakePublisher(), None
    handle = build_handler(
        bench,
        bench.ThingSource(),
        publisher,
        tokens=bench.FakeTokens(RetryLaterError("no token", seconds=30, escalates=True)),
    )
    for number in range(3):
        await handle(bench.CONNECTION, [bench.build_step(number, cursor)])
        cursor = publisher.progress[-1].cursor
    assert [p.not_before - 1_000_000 for p in publisher.progress] == [30_000, 60_000, 120_000]
    assert {(p.outcome, p.reason, p.throttled) for p in publisher.progress} == {("postponed", "no token", False)}


async def test_a_step_that_was_asked_for_again_while_it_waited_runs_once(bench: Any) -> None:
    publisher, source = bench.FakePublisher(), bench.ThingSource(existing={"a", "b"})
    other = bench.build_step(0).model_copy(update={"sync_id": bench.derive_sync_id("other")})
    position = '{"n": 1, "sent": 1}'
    steps = [
        bench.build_step(1),
        other,
        bench.build_step(2, CursorState(0, position).encode()),
        bench.build_step(2, None),
        bench.build_step(1),
    ]
    await build_handler(bench, source, publisher)(bench.CONNECTION, steps)
    assert [(p.sync_ids[0], p.step) for p in publisher.progress] == [
        (bench.derive_sync_id("full"), 2),
        (bench.derive_sync_id("other"), 0),
    ]
    assert publisher.record_ids == ["b", "a", "b"]


async def test_a_full_sync_begins_with_the_scopes_of_its_beginning(bench: Any) -> None:
    tokens, publisher = bench.FakeTokens(), bench.FakePublisher()
    handle = build_handler(bench, bench.ThingSource(existing={"a", "b"}), publisher, tick=6, tokens=tokens)
    await handle(bench.CONNECTION, [bench.build_step(0)])
    await handle(bench.CONNECTION, [bench.build_step(1, publisher.progress[-1].cursor)])
    assert tokens.fresh == [True, False]


async def test_a_step_whose_cursor_names_records_reads_these_directly(bench: Any) -> None:
    publisher = bench.FakePublisher()
    source = bench.ThingSource(existing={"a"}, unreadable={"c": UnreadableRecord("things", "c", "access denied")})
    cursor = CursorState(records={"things": ("a", "b", "c")}).encode()
    await build_handler(bench, source, publisher)(bench.CONNECTION, [bench.build_step(4, cursor)])
    assert publisher.record_ids == ["a", "b"]
    assert {page.attempt for page in publisher.select(RecordsPage)} == {0}
    (ended,) = publisher.select(DirectReadCompleted)
    assert (ended.requested, ended.unreadable) == ({"things": ("a", "b", "c")}, {"c": "access denied"})
    assert [p.outcome for p in publisher.progress] == ["completed"]


async def test_a_direct_read_continues_in_the_next_step_and_after_a_wait(bench: Any) -> None:
    publisher = bench.FakePublisher()
    source = bench.ThingSource(existing={"a", "b", "c"}, stop_at={"c": RetryLaterError("503")})
    handle, cursor = (
        build_handler(bench, source, publisher, tick=3),
        CursorState(records={"things": ("a", "b", "c")}).encode(),
    )
    for number in range(10):
        await handle(bench.CONNECTION, [bench.build_step(number, cursor)])
        if publisher.progress[-1].outcome == "completed":
            break
        cursor = publisher.progress[-1].cursor
    assert {p.outcome for p in publisher.progress} == {"advanced", "postponed", "completed"}
    assert publisher.record_ids == ["a", "b", "c"]
    assert len(publisher.select(DirectReadCompleted)) == 1


async def test_lists_of_ids_are_published_before_the_end_of_their_id_range(bench: Any) -> None:
    publisher = bench.FakePublisher()
    listed = IdList("things", 0, 1, "", None, ("a", "b"), count=2)

    class ListingSource(bench.ThingSource):  # type: ignore[misc, name-defined] # a class of the fixture
        async def read_all(self, context: Any, cursor: str | None) -> Any:
            """Yield a list of ids before each end of an id range."""
            async for step in super().read_all(context, cursor):
                if isinstance(step, RangeEnd):
                    yield listed
                yield step

    await build_handler(bench, ListingSource(existing={"a"}), publisher)(bench.CONNECTION, [bench.build_step(0)])
    names = [type(message.event).__name__ for message in publisher.messages]
    assert names == ["RecordsPage", "IdsListed", "RangeCompleted", "FullReadCompleted", "SyncProgressed"]
    (event,) = publisher.select(IdsListed)
    assert (event.ids, event.count, event.after, event.up_to) == (("a", "b"), 2, "", None)


@dataclass
class ContinuingSource:
    """Ends each full read at once, with `end`. `previous` has what it was given."""

    end: FullReadEnd
    previous: list[FullReadState | None] = field(default_factory=list)

    async def read_all(self, context: SyncContext, _cursor: str | None) -> AsyncGenerator[FullReadStep, None]:
        """Yield the end of the full read."""
        self.previous.append(context.previous)
        yield self.end


async def test_a_source_gets_the_state_of_the_full_sync_before_and_names_the_one_that_it_continues(bench: Any) -> None:
    before, publisher = bench.derive_sync_id("before"), bench.FakePublisher()
    end = FullReadEnd((), started_at=1, state="seen: 8", continues=before, retry_cursor="everything")
    source = ContinuingSource(end)
    step = bench.build_step(1).model_copy(update={"previous_sync": before, "previous_state": "seen: 7"})
    await build_handler(bench, source, publisher)(bench.CONNECTION, [step])
    assert source.previous == [FullReadState(before, "seen: 7")]
    (event,) = publisher.select(FullReadCompleted)
    assert (event.state, event.continues, event.id_ranges) == ("seen: 8", before, ())
    assert CursorState.decode(event.retry_cursor) == CursorState(0, "everything")


async def test_a_step_that_brings_no_state_gives_the_source_none(bench: Any) -> None:
    source, publisher = ContinuingSource(FullReadEnd((), started_at=1, state="seen: 1")), bench.FakePublisher()
    await build_handler(bench, source, publisher)(bench.CONNECTION, [bench.build_step(1)])
    assert source.previous == [None]
    (event,) = publisher.select(FullReadCompleted)
    assert (event.state, event.continues, event.retry_cursor) == ("seen: 1", None, None)


async def test_the_read_of_everything_that_replaces_a_continuing_one_has_an_end_of_its_own(bench: Any) -> None:
    before, publisher = bench.derive_sync_id("before"), bench.FakePublisher()
    for end in (FullReadEnd((), 1, continues=before, retry_cursor="everything"), FullReadEnd((("things", 0),), 1)):
        await build_handler(bench, ContinuingSource(end), publisher)(bench.CONNECTION, [bench.build_step(1)])
    continuing, whole = (m for m in publisher.messages if isinstance(m.event, FullReadCompleted))
    assert continuing.event_id != whole.event_id


@pytest.mark.parametrize("fields", [{"state": "é" * 8193}, {"state": "a\0b"}, {"continues": UUID(int=1)}])
def test_a_full_read_cannot_end_with_what_could_not_be_stored_or_read_again(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"a state has|needs a cursor"):
        FullReadEnd((), 1, **fields)


def test_a_state_may_have_sixteen_kilobytes() -> None:
    assert FullReadEnd((), 1, state="é" * 8192).state == "é" * 8192
