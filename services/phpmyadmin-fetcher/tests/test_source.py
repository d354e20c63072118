"""What is read of a table, what is not read because nothing has changed, and what follows from every error."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from connector.source import Checkpoint, FullReadEnd, RangeEnd, RecordBatch, UnreadableRecord
from phpmyadmin_fetcher.cursors import decode_cursor
from phpmyadmin_fetcher.measures import decode_state
from phpmyadmin_fetcher.range_sizes import FIRST_ROWS, MAX_ROWS
from phpmyadmin_fetcher.source import MAX_ATTEMPTS
from phpmyadmin_fetcher.table_reader import SMALL
from platform_sdk.errors import (
    ConnectionEndedError,
    LargeAnswerError,
    PermanentError,
    RetryLaterError,
    ThrottledError,
    TransientError,
)
from platform_sdk.session import FullReadState
from platforms.phpmyadmin.errors import (
    CutAnswerError,
    SignedOutError,
    SignInRefusedError,
    SlowAnswerError,
    StatementRefusedError,
)
from platforms.phpmyadmin.logins import TableOptions
from platforms.phpmyadmin.session import StatementLimits

DAY = 24 * 3600
ANY = "any"
LATER = "2026-11-30 11:30:00"


def add_rows(bench: Any, count: int) -> None:
    bench.database.rows.update({number: (f"row {number}", bench.BEGAN) for number in range(1, count + 1)})


def alter(bench: Any, name: str = "added") -> None:
    bench.database.columns.append((name, "varchar"))


async def test_a_first_read_has_every_row_and_proves_nothing_by_an_earlier_one(bench: Any) -> None:
    read = await bench.sync()
    assert read.ids == ["1", "2", "3", "4", "5", "6", "7"]
    assert read.records[0].body == {"id": 1, "name": "row 1", "changed": "2026-11-30T11:00:00"}
    assert read.range_end.sent_count == 7
    assert read.end.id_ranges == (("rows", 0),)
    assert read.end.continues is None and read.end.retry_cursor == ""
    assert read.end.started_at == round(bench.NOW * 1000)


async def test_a_table_without_rows_is_read_to_its_end(bench: Any) -> None:
    bench.database.rows.clear()
    read = await bench.sync()
    assert read.ids == [] and read.range_end.sent_count == 0
    assert (await bench.sync()).end.continues is not None


async def test_an_unchanged_table_costs_three_requests_and_no_row(bench: Any) -> None:
    await bench.sync()
    first = bench.previous
    bench.pass_time(3600)
    read = await bench.sync()
    assert read.ids == [] and read.steps == [read.end]
    assert read.end.continues == first.sync_id and read.end.id_ranges == ()
    assert len(bench.database.kinds) <= 3 and "rows" not in bench.database.kinds


@pytest.mark.parametrize("rows", [{3: ("other", "x")}, {8: ("new", "x")}, {3: None}])
async def test_any_change_of_a_row_is_found_by_sums(bench: Any, rows: dict[int, Any]) -> None:
    await bench.sync()
    for number, row in rows.items():
        bench.database.rows.pop(number, None)
        bench.database.rows |= {number: row} if row else {}
    read = await bench.sync()
    assert read.ids == [str(number) for number in sorted(bench.database.rows)]
    assert read.end.continues is None


async def test_a_row_that_came_and_went_while_the_table_was_read_does_not_stay(bench: Any) -> None:
    # The table is the same before, after and at the next look; what was read of it is not.
    def insert(_: Any) -> None:
        bench.database.rows[8] = ("for a moment", bench.BEGAN)

    bench.database.script["rows"] = [insert]
    assert "8" in (await bench.sync()).ids
    del bench.database.rows[8]
    read = await bench.sync()
    assert read.end.continues is None and "8" not in read.ids


async def test_all_rows_are_read_again_after_a_day_and_not_before(bench: Any) -> None:
    await bench.sync()
    for _ in range(23):
        bench.pass_time(3600)
        assert (await bench.sync()).ids == []
    bench.pass_time(3600)
    read = await bench.sync()
    assert len(read.ids) == 7 and read.end.continues is None
    bench.pass_time(3600)
    assert (await bench.sync()).ids == []


async def test_other_columns_are_reason_to_read_all_rows(bench: Any) -> None:
    await bench.sync()
    alter(bench)
    assert len((await bench.sync()).ids) == 7
    bench.options = TableOptions(exclude=("name",))
    read = await bench.sync()
    assert len(read.ids) == 7
    assert read.records[0].body == {"id": 1, "changed": "2026-11-30T11:00:00", "added": "x"}
    assert all("`name`" not in statement for statement in bench.database.statements)


async def test_a_state_of_another_version_is_as_if_there_were_none(bench: Any) -> None:
    await bench.sync()
    for text in ("", "{}", '{"sums": null, "changes": null, "x": 1}', "[]", "null", "5"):
        bench.previous = FullReadState(uuid4(), text)
        assert len((await bench.sync()).ids) == 7


async def test_a_time_of_the_last_change_that_is_old_costs_two_requests(bench: Any) -> None:
    bench.database.updated_at = bench.NOW - 60
    await bench.sync()
    bench.pass_time(3600)
    read = await bench.sync()
    assert read.ids == [] and read.end.continues is not None
    assert bench.database.kinds == ["describe", "count"]


async def test_an_emptied_table_whose_time_of_the_last_change_stays_is_read(bench: Any) -> None:
    bench.database.updated_at = bench.NOW - 60
    await bench.sync()
    bench.database.rows.clear()
    read = await bench.sync()
    assert read.end.continues is None and read.range_end.sent_count == 0


@pytest.mark.parametrize("seconds", [0.0, -1.0, -1.9])
async def test_a_change_in_the_seconds_of_the_read_is_looked_at_again(bench: Any, seconds: float) -> None:
    bench.database.updated_at = bench.NOW + seconds
    await bench.sync()
    bench.database.rows[1] = ("changed in the same second", bench.BEGAN)
    assert len((await bench.sync()).ids) == 7


async def test_a_time_of_the_last_change_that_the_server_keeps_for_a_day_proves_nothing(bench: Any) -> None:
    bench.database.version, bench.database.updated_at = "8.0.36", bench.NOW - 60
    await bench.sync()
    bench.database.rows[1] = ("changed", bench.BEGAN)
    assert len((await bench.sync()).ids) == 7


async def test_a_restarted_server_that_has_forgotten_the_last_change_proves_nothing(bench: Any) -> None:
    bench.database.updated_at = bench.NOW - 60
    await bench.sync()
    bench.database.updated_at = None
    bench.database.rows[1] = ("changed", bench.BEGAN)
    assert len((await bench.sync()).ids) == 7


async def test_a_live_checksum_that_is_the_same_costs_two_requests(bench: Any) -> None:
    bench.database.engine, bench.database.options, bench.database.checksum = "MyISAM", "checksum=1", "123"
    await bench.sync()
    bench.pass_time(60)
    assert (await bench.sync()).ids == []
    assert bench.database.kinds == ["describe", "checksum", "sums"]
    assert (await bench.sync()).ids == []
    assert bench.database.kinds == ["describe", "checksum"]
    bench.database.checksum = "124"
    bench.database.rows[1] = ("changed", bench.BEGAN)
    assert len((await bench.sync()).ids) == 7


async def test_a_checksum_of_a_table_that_has_changed_while_it_was_read_proves_nothing(bench: Any) -> None:
    bench.database.engine, bench.database.options, bench.database.checksum = "MyISAM", "checksum=1", "123"

    def change(_: Any) -> None:
        bench.database.rows[1], bench.database.checksum = ("there", bench.BEGAN), "124"

    bench.database.script["rows"] = [change]
    await bench.sync()
    bench.database.rows[1] = ("and back", bench.BEGAN)
    bench.database.checksum = "123"
    assert "1" in (await bench.sync()).ids


async def test_no_checksum_is_asked_for_where_it_would_read_the_table(bench: Any) -> None:
    await bench.sync()
    assert "checksum" not in bench.database.kinds


async def test_sums_prove_nothing_where_a_row_is_too_large_to_be_hashed(bench: Any) -> None:
    bench.database.is_too_large_to_hash = True
    await bench.sync()
    assert len((await bench.sync()).ids) == 7


async def test_a_row_that_changes_while_the_table_is_read_and_back_later_is_read_again(bench: Any) -> None:
    before = bench.database.rows[1]
    bench.database.script["rows"] = [lambda _: bench.database.rows.update({1: ("there", bench.BEGAN)})]
    read = await bench.sync()
    assert read.records[0].body["name"] == "there"
    bench.database.rows[1] = before
    read = await bench.sync()
    assert read.records[0].body["name"] == "row 1"


async def test_ranges_follow_each_other_and_a_step_goes_on_at_any_checkpoint(bench: Any) -> None:
    add_rows(bench, 3 * FIRST_ROWS)
    whole = await bench.sync()
    assert whole.ids == [str(number) for number in range(1, 3 * FIRST_ROWS + 1)]
    assert len(whole.cursors) >= 2
    for cursor in whole.cursors:
        bench.restart()
        rest = await bench.sync(cursor)
        place = whole.steps.index(Checkpoint(cursor))
        before = [one.id for step in whole.steps[:place] if isinstance(step, RecordBatch) for one in step.records]
        assert before + rest.ids == whole.ids
        assert rest.range_end.sent_count == len(whole.ids)
        assert rest.end.state == whole.end.state


async def test_a_range_that_has_not_arrived_is_read_again_alone(bench: Any) -> None:
    whole = await bench.sync()
    steps = await bench.read_steps(whole.range_end.retry_cursor)
    assert [step.attempt for step in steps if isinstance(step, RecordBatch)] == [2]
    assert not any(isinstance(step, FullReadEnd) for step in steps)


async def test_quick_small_answers_are_followed_by_larger_ones(bench: Any) -> None:
    add_rows(bench, 4 * FIRST_ROWS)
    await bench.sync()
    assert bench.database.sizes[:2] == [FIRST_ROWS, 2 * FIRST_ROWS]


@pytest.mark.parametrize("error", [CutAnswerError("x"), SlowAnswerError("x"), LargeAnswerError("x")])
async def test_after_an_answer_that_is_not_whole_fewer_rows_are_asked_for(bench: Any, error: Exception) -> None:
    bench.database.script["rows"] = [error, error]
    read = await bench.sync()
    assert len(read.ids) == 7
    assert bench.database.sizes[:3] == [500, 125, 31]


@pytest.mark.parametrize(
    ("error", "raised"), [(CutAnswerError("cut"), RetryLaterError), (SlowAnswerError("slow"), RetryLaterError)]
)
async def test_the_last_try_raises(bench: Any, error: Exception, raised: type[Exception]) -> None:
    bench.database.script["rows"] = [*[error] * 4]
    with pytest.raises(raised, match=str(error)):
        await bench.sync()
    assert len(bench.database.sizes) == 4


async def test_rows_are_asked_for_one_by_one_before_an_answer_is_too_large(bench: Any) -> None:
    add_rows(bench, 40_000)
    await bench.sync()
    assert max(bench.database.sizes) == MAX_ROWS
    error = LargeAnswerError("too large")
    bench.database.script["rows"] = [*[error] * 20]
    bench.previous = None
    with pytest.raises(LargeAnswerError):
        await bench.sync()
    assert bench.database.sizes[-1] == 1
    assert bench.database.limits[-1] == StatementLimits(1_000_000, SMALL.seconds)


async def test_an_answer_whose_keys_do_not_rise_is_none(bench: Any) -> None:
    rows = list(bench.database.select(ANY)[:500])
    for wrong in ([rows[1], rows[0]], [rows[0], rows[0]]):
        bench.database.script["rows"] = [lambda _, wrong=wrong: wrong]
        with pytest.raises(RetryLaterError, match="order"):
            await bench.sync()


async def test_an_answer_that_begins_before_its_range_is_none(bench: Any) -> None:
    add_rows(bench, FIRST_ROWS + 10)
    rows = list(bench.database.select(ANY)[:500])
    bench.database.script["rows"] = [None, lambda _: rows]
    with pytest.raises(RetryLaterError, match="order"):
        await bench.sync()


@pytest.mark.parametrize("change", [{"k0": "Seven"}, {"k0": None}, {"k0": "1e3"}])
async def test_a_row_whose_key_cannot_be_read_postpones_the_sync(bench: Any, change: dict[str, Any]) -> None:
    rows = [{**row, **change} for row in bench.database.select(ANY)[:500]]
    bench.database.script["rows"] = [lambda _: rows]
    with pytest.raises(RetryLaterError) as raised:
        await bench.sync()
    assert "Seven" not in str(raised.value)


async def test_a_row_that_lacks_a_column_postpones_the_sync(bench: Any) -> None:
    for keys in (["id"], []):
        bench.database.keys = keys
        bench.database.script["rows"] = [lambda _: [{"z": "0", "k0": "1"}]]
        with pytest.raises(RetryLaterError):
            await bench.sync()


async def test_a_malformed_value_leaves_its_row_out_by_name(bench: Any) -> None:
    bench.database.rows[3] = ("x", "Seven")
    read = await bench.sync()
    assert read.range_end.sent_count == 7
    (record,) = [record for record in read.records if record.unreadable]
    assert (record.id, record.body) == ("3", None)
    assert "changed" in record.unreadable and "Seven" not in record.unreadable


async def test_columns_that_are_altered_between_two_ranges_are_reason_to_begin_anew(bench: Any) -> None:
    bench.database.script["rows"] = [lambda _: alter(bench)]
    read = await bench.sync()
    batches = [step for step in read.steps if isinstance(step, RecordBatch)]
    assert [batch.attempt for batch in batches] == [1, 2]
    assert (batches[1].records[0].body or {})["added"] == "x"
    assert read.range_end.attempt == 2 and read.range_end.sent_count == 7
    assert (await bench.sync()).ids == []


async def test_columns_that_are_altered_again_and_again_end_the_sync(bench: Any) -> None:
    def go_on(statement: str) -> None:
        if "ORDER BY" in statement:
            alter(bench, f"c{len(bench.database.columns)}")

    bench.database.script["rows"] = [go_on] * 50
    with pytest.raises(PermanentError, match="again and again") as raised:
        await bench.sync()
    assert raised.value.retryable
    assert bench.database.kinds.count("rows") == MAX_ATTEMPTS


async def test_a_table_that_is_not_there_any_more_ends_the_sync(bench: Any) -> None:
    bench.database.has_table = False
    with pytest.raises(PermanentError, match="no table orders"):
        await bench.sync()


def use_changes(bench: Any) -> None:
    bench.options = TableOptions(changed_column="changed")


async def test_only_newer_rows_are_read_where_a_column_says_which(bench: Any) -> None:
    use_changes(bench)
    await bench.sync()
    first = bench.previous
    bench.pass_time(3600)
    bench.database.rows |= {3: ("changed", LATER), 9: ("new", LATER)}
    for number in (1, 2):
        bench.database.rows[number] = (f"row {number}", "2026-11-30 09:00:00")
    read = await bench.sync()
    assert set(read.ids) == {"3", "4", "5", "6", "7", "9"}
    assert read.end.continues == first.sync_id and read.end.id_ranges == (("rows", 0),)
    assert "sums" not in bench.database.kinds
    (statement,) = [
        one for one, kind in zip(bench.database.statements, bench.database.kinds, strict=True) if kind == "rows"
    ]
    assert "DATE_SUB('2026-11-30 11:00:00', INTERVAL 600 SECOND)" in statement


async def test_rows_that_were_committed_late_are_looked_for_once_more(bench: Any) -> None:
    use_changes(bench)
    await bench.sync()
    bench.pass_time(60)
    bench.database.rows[3] = ("late", bench.BEGAN)
    assert "3" in (await bench.sync()).ids
    bench.pass_time(600)
    assert "3" in (await bench.sync()).ids
    bench.pass_time(600)
    read = await bench.sync()
    assert read.ids == [] and read.steps == [read.end]


async def test_a_daily_read_finds_what_no_column_has_said(bench: Any) -> None:
    use_changes(bench)
    await bench.sync()
    for _ in range(3):
        bench.pass_time(3600)
        await bench.sync()
    bench.database.rows[3] = ("unseen", "2026-11-29 00:00:00")
    bench.pass_time(3600)
    assert "3" not in (await bench.sync()).ids
    bench.pass_time(DAY)
    read = await bench.sync()
    assert len(read.ids) == 7 and read.end.continues is None


@pytest.mark.parametrize("latest", ["", "0000-00-00 00:00:00"])
async def test_a_column_that_says_nothing_yet_is_reason_to_read_all_rows(bench: Any, latest: str) -> None:
    use_changes(bench)
    for number in bench.database.rows:
        bench.database.rows[number] = ("x", latest or "0000-00-00 00:00:00")
    await bench.sync()
    bench.database.rows[3] = ("changed", LATER)
    read = await bench.sync()
    assert len(read.ids) == 7 and read.end.continues is None


async def test_a_column_of_changes_that_is_gone_is_as_if_there_were_none(bench: Any) -> None:
    use_changes(bench)
    await bench.sync()
    bench.database.columns.pop()
    assert len((await bench.sync()).ids) == 7
    assert (await bench.sync()).ids == [] and "sums" in bench.database.kinds


async def test_a_read_of_changes_that_cannot_be_continued_reads_everything(bench: Any) -> None:
    use_changes(bench)
    await bench.sync()
    bench.database.rows[3] = ("changed", LATER)
    read = await bench.sync()
    again = await bench.sync(read.end.retry_cursor)
    assert len(again.ids) == 7 and again.end.continues is None
    unchanged = decode_cursor(read.end.retry_cursor)
    assert unchanged.since == "" and unchanged.position is None


async def test_an_unchanged_table_can_be_read_whole_all_the_same(bench: Any) -> None:
    await bench.sync()
    read = await bench.sync()
    again = await bench.sync(read.end.retry_cursor)
    assert len(again.ids) == 7 and again.end.continues is None


async def test_a_table_without_a_key_is_read_at_once_and_counted_before_and_after(bench: Any) -> None:
    bench.database.keys = []
    read = await bench.sync()
    assert len(set(read.ids)) == 7 and bench.database.kinds.count("rows") == 1
    assert (read.range_end.count_before, read.range_end.count_after, read.range_end.sent_count) == (7, 7, 7)
    assert (await bench.sync()).ids == []


async def test_a_table_without_a_key_that_changes_while_it_is_read_has_other_counts(bench: Any) -> None:
    bench.database.keys = []
    bench.database.script["count"] = [None, lambda _: bench.database.rows.update({9: ("x", bench.BEGAN)})]
    read = await bench.sync()
    assert (read.range_end.count_before, read.range_end.count_after) == (7, 8)
    again = [step async for step in bench.source.read_all(bench.build_context(), read.range_end.retry_cursor)]
    assert sum(len(step.records) for step in again if isinstance(step, RecordBatch)) == 8
    (end,) = [step for step in again if isinstance(step, RangeEnd)]
    assert (end.count_before, end.sent_count, end.count_after) == (8, 8, 8)


async def test_an_empty_table_that_has_not_changed_is_not_read(bench: Any) -> None:
    bench.database.rows.clear()
    bench.database.script["sums"] = [lambda _: [{"c0": "0", "c1": None, "c2": None, "c3": "0"}]]
    await bench.sync()
    assert (await bench.sync()).end.continues is not None
    assert bench.database.kinds == ["describe", "sums"]


async def test_a_table_that_has_lost_its_key_is_never_read_by_its_changes(bench: Any) -> None:
    # An edited row has another id then, and the old one would stay.
    use_changes(bench)
    bench.database.keys = []
    await bench.sync()
    bench.database.rows[3] = ("changed", LATER)
    read = await bench.sync()
    assert read.end.continues is None and len(read.ids) == 7


async def test_a_table_without_a_key_that_is_cut_off_and_changed_lists_more_than_its_end_counts(bench: Any) -> None:
    bench.database.keys = []
    rows = [*list(bench.database.select(ANY)[:3]), CutAnswerError("cut")]
    bench.database.script["rows"] = [lambda _: rows]
    steps: list[Any] = []

    async def keep_steps() -> None:
        async for step in bench.source.read_all(bench.build_context(), None):
            steps.append(step)

    with pytest.raises(RetryLaterError):
        await keep_steps()
    assert sum(len(step.records) for step in steps if isinstance(step, RecordBatch)) == 3
    bench.database.rows[1] = ("changed", bench.BEGAN)
    cursors = [step.cursor for step in steps if isinstance(step, Checkpoint)]
    read = await bench.sync(cursors[-1] if cursors else None)
    # A row has been sent as it was before. By this the spaces-writer knows that the state says too little.
    before = {record.id for step in steps if isinstance(step, RecordBatch) for record in step.records}
    assert len(before | set(read.ids)) == 8 and read.range_end.sent_count == 7


async def read_ids(bench: Any, *ids: str, cursor: str | None = None) -> list[Any]:
    context = replace(bench.build_context(), previous=None)
    return [step async for step in bench.source.read_records(context, {"rows": list(ids)}, cursor)]


async def test_rows_are_read_by_their_ids_with_tombstones_for_those_that_are_not_there(bench: Any) -> None:
    (batch,) = await read_ids(bench, "3", "99", "1")
    assert {record.id: record.body is not None for record in batch.records} == {"1": True, "3": True, "99": False}
    assert all(record.unreadable is None for record in batch.records)


async def test_ids_of_no_row_are_unreadable_and_no_tombstones(bench: Any) -> None:
    steps = await read_ids(bench, "Seven", "1,2", "", "1 OR 1", "~", "2")
    assert {step.id for step in steps if isinstance(step, UnreadableRecord)} == {"Seven", "1,2", "", "1 OR 1", "~"}
    assert [record.id for step in steps if isinstance(step, RecordBatch) for record in step.records] == ["2"]


async def test_another_resource_is_unreadable_without_a_request(bench: Any) -> None:
    context = bench.build_context()
    steps = [step async for step in bench.source.read_records(context, {"products": ["1"]}, None)]
    assert [(step.resource, step.id) for step in steps] == [("products", "1")]
    assert bench.database.statements == []


async def test_many_ids_are_read_in_parts_with_checkpoints_between(bench: Any) -> None:
    add_rows(bench, 200)
    ids = [str(number) for number in range(1, 121)]
    steps = await read_ids(bench, *ids)
    assert [len(step.records) for step in steps if isinstance(step, RecordBatch)] == [50, 50, 20]
    first = next(step for step in steps if isinstance(step, Checkpoint))
    rest = await read_ids(bench, *ids, cursor=first.cursor)
    assert [len(step.records) for step in rest if isinstance(step, RecordBatch)] == [50, 20]


async def test_rows_without_a_key_are_found_by_the_hash_in_their_ids(bench: Any) -> None:
    bench.database.keys = []
    known = (await bench.sync()).ids[2]
    (batch,) = await read_ids(bench, known, "0" * 32 + "-1")
    assert {record.id: record.body is not None for record in batch.records} == {known: True, "0" * 32 + "-1": False}


async def test_an_answer_with_a_malformed_row_makes_no_tombstone(bench: Any) -> None:
    bench.database.script["rows"] = [lambda _: [{"z": "0", "k0": "x", "c0": "1", "c1": "a", "c2": bench.BEGAN}]]
    with pytest.raises(RetryLaterError):
        await read_ids(bench, "1")


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_refused_password_asks_for_a_new_token_once_and_goes_on(bench: Any, place: int) -> None:
    bench.database.script[""] = [*[None] * place, SignInRefusedError()]
    with pytest.raises(RetryLaterError) as raised:
        await bench.sync()
    assert (raised.value.reason, raised.value.seconds) == (None, 0.0)
    assert len(bench.replaced) == 1


async def test_a_refused_password_that_nobody_replaces_ends_the_sync(bench: Any) -> None:
    bench.logins.refusal, bench.replacement = SignInRefusedError(), ConnectionEndedError("reauthorise")
    with pytest.raises(ConnectionEndedError):
        await bench.sync()
    assert len(bench.replaced) == 1


@pytest.mark.parametrize(
    ("error", "reason", "seconds"),
    [
        (SignedOutError("the session has ended"), "the session has ended", None),
        (TransientError("not reached"), "not reached", None),
        (ThrottledError("busy"), "busy", 60.0),
        (ThrottledError("busy", retry_after=7.0), "busy", 7.0),
        (RetryLaterError("later", seconds=3.0), "later", 3.0),
    ],
)
async def test_what_may_pass_postpones_the_sync(
    bench: Any, error: Exception, reason: str, seconds: float | None
) -> None:
    bench.database.script[""] = [error]
    with pytest.raises(RetryLaterError) as raised:
        await bench.sync()
    assert (raised.value.reason, raised.value.seconds) == (reason, seconds)
    assert bench.replaced == []


@pytest.mark.parametrize(("code", "is_retryable"), [(1146, False), (1142, False), (1054, True), (1205, True)])
async def test_a_refused_statement_ends_the_sync(bench: Any, code: int, is_retryable: bool) -> None:
    bench.database.script["rows"] = [StatementRefusedError(code)]
    with pytest.raises(PermanentError, match=str(code)) as raised:
        await bench.sync()
    assert raised.value.retryable is is_retryable


async def test_calls_are_counted_and_the_login_is_that_of_the_token(bench: Any) -> None:
    context = bench.build_context()
    assert [step async for step in bench.source.read_all(context, None)]
    assert context.calls == bench.database.calls > 0
    assert bench.logins.logins == [bench.LOGIN]


async def test_a_state_and_a_cursor_hold_no_password_and_no_row(bench: Any) -> None:
    add_rows(bench, 2 * FIRST_ROWS)
    read = await bench.sync()
    for text in (read.end.state, *read.cursors):
        assert bench.LOGIN.password not in text and "row 5" not in text
    assert decode_state(read.end.state) is not None


async def test_slow_answers_are_followed_by_smaller_ones(bench: Any) -> None:
    add_rows(bench, 2 * FIRST_ROWS)
    bench.session.seconds = 3.0
    await bench.sync()
    assert bench.database.sizes[:2] == [FIRST_ROWS, FIRST_ROWS // 2]
