"""The faults of the simulated phpMyAdmin: what clients see of each of them."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest

ROWS = "(SELECT 0 AS z, `id` AS c0 FROM `shop`.`orders` ORDER BY `id` LIMIT 999) UNION ALL (SELECT 1, NULL)"
END = "\n]\n}\n]\n"


@pytest.fixture
async def signed_in(pma: Any) -> Any:
    await pma.sign_in()
    return pma


async def fault(pma: Any, **faults: Any) -> None:
    await pma.control("PUT", "/faults", faults)


async def is_signed_in(pma: Any) -> bool:
    return "content-disposition" in (await pma.export("SELECT 1 AS z")).headers


async def test_a_changed_password_ends_a_session_with_the_number_and_then_without(signed_in: Any) -> None:
    old = await signed_in.read_password()
    new = (await signed_in.control("POST", "/password"))["password"]
    first, second = await signed_in.export(ROWS), await signed_in.export(ROWS)
    assert "(HY000/1045)" in first.text and 'id="login_form"' in first.text
    assert "HY000" not in second.text and 'id="login_form"' in second.text
    await signed_in.open_page()
    assert "(HY000/1045)" in (await signed_in.submit_login(old)).text
    await signed_in.open_page()
    assert (await signed_in.submit_login(new)).status_code == 302


async def test_sessions_end_at_once(signed_in: Any) -> None:
    assert await signed_in.control("DELETE", "/sessions") == {"ended": 1}
    answer = await signed_in.export(ROWS)
    assert answer.status_code == 200 and 'id="login_form"' in answer.text and "HY000" not in answer.text
    await signed_in.sign_in()
    assert await is_signed_in(signed_in)


async def test_sessions_end_in_the_middle_of_a_read(signed_in: Any) -> None:
    await fault(signed_in, end_sessions_after_exports=2)
    assert [await is_signed_in(signed_in) for _ in range(4)] == [True, True, False, False]
    await signed_in.sign_in()
    assert [await is_signed_in(signed_in) for _ in range(4)] == [True] * 4


async def test_a_cut_answer_ends_as_if_all_were_well(signed_in: Any) -> None:
    whole = (await signed_in.export(ROWS)).content
    await fault(signed_in, cut_after_bytes=200)
    cut = await signed_in.export(ROWS)
    assert cut.status_code == 200 and cut.content == whole[:200]


async def test_a_cut_can_break_the_connection(signed_in: Any) -> None:
    await fault(signed_in, cut_after_bytes=200, cut_breaks_connection=True)
    with pytest.raises(httpx.RemoteProtocolError):
        await signed_in.export(ROWS)
    await fault(signed_in)
    assert await is_signed_in(signed_in)


@pytest.mark.parametrize("what", ["json", "csv"])
async def test_html_stands_in_the_middle_of_the_data(signed_in: Any, what: str) -> None:
    whole = (await signed_in.export(ROWS, what)).text
    await fault(signed_in, html_after_rows=3)
    before, html, after = (await signed_in.export(ROWS, what)).text.partition("<html>")
    assert html and "504 Gateway Time-out" in after and before.count("100") == 3
    assert whole.startswith(before) and after.endswith(whole.removeprefix(before))


async def test_a_warning_of_php_stands_before_the_data(signed_in: Any) -> None:
    await fault(signed_in, warning=True)
    text = (await signed_in.export(ROWS)).text
    assert text.startswith("<br />\n<b>Warning</b>:") and text.endswith(END)
    assert len(orjson.loads(text[text.index("[\n") :])[1]["data"]) == 201


@pytest.mark.parametrize(("what", "end"), [("json", END), ("csv", '"\n')])
async def test_a_lost_database_ends_an_answer_that_looks_whole(signed_in: Any, what: str, end: str) -> None:
    await fault(signed_in, lose_connection_after_rows=20)
    answer = await signed_in.export(ROWS, what)
    assert answer.status_code == 200 and answer.text.endswith(end) and "alert" not in answer.text
    if what == "json":
        rows = answer.json()[1]["data"]
        assert (len(rows), rows[-1]["z"]) == (20, "0")
    else:
        assert len(answer.text.splitlines()) == 21


async def test_a_statement_killed_before_its_first_row_gives_a_whole_answer_without_rows(signed_in: Any) -> None:
    await fault(signed_in, no_rows=True)
    assert len((await signed_in.export(ROWS)).content) == 131
    assert (await signed_in.export(ROWS, "csv")).text == '"z","c0"\n'


async def test_a_database_that_is_away_shows_the_form_and_signs_out(signed_in: Any) -> None:
    await fault(signed_in, database_away=True)
    answer = await signed_in.export(ROWS)
    assert "(HY000/2002)" in answer.text and 'id="login_form"' in answer.text
    await signed_in.open_page()
    assert "(HY000/2002)" in (await signed_in.submit_login(await signed_in.read_password())).text
    await fault(signed_in)
    assert not await is_signed_in(signed_in)


async def test_a_database_can_refuse_logins_for_other_reasons(pma: Any) -> None:
    await fault(pma, refused_with=1040)
    await pma.open_page()
    assert "/1040)" in (await pma.submit_login(await pma.read_password())).text


async def test_answers_and_rows_can_be_slow(signed_in: Any) -> None:
    loop = asyncio.get_running_loop()
    for faults in ({"seconds_per_answer": 0.2}, {"seconds_per_row": 0.001}):
        await fault(signed_in, **faults)
        begin = loop.time()
        assert len((await signed_in.export(ROWS)).json()[1]["data"]) == 201
        assert loop.time() - begin >= 0.2


@pytest.mark.parametrize("status", [429, 503])
async def test_the_next_requests_are_asked_to_wait(signed_in: Any, status: int) -> None:
    await fault(signed_in, fail_requests=2, fail_status=status, retry_after=7)
    answers = [await signed_in.export(ROWS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers["retry-after"] == "7" and "Maintenance" in answers[0].text


async def test_maintenance_lasts_until_it_is_ended(signed_in: Any) -> None:
    await fault(signed_in, fail_requests=-1)
    answers = [await signed_in.open_page() for _ in range(3)]
    assert {answer.status_code for answer in answers} == {503} and "retry-after" not in answers[0].headers
    await fault(signed_in)
    assert await is_signed_in(signed_in)


async def test_a_table_is_altered_between_two_exports(signed_in: Any) -> None:
    await fault(signed_in, alter_after_exports=1)
    exports = [await signed_in.select("SELECT * FROM orders LIMIT 1") for _ in range(3)]
    assert [len(rows[0]) for rows in exports] == [9, 10, 10]


async def test_a_table_can_be_refused(signed_in: Any) -> None:
    await fault(signed_in, refused_tables=["shop.orders"])
    assert "<code>#1142 - SELECT command denied to user" in (await signed_in.export(ROWS)).text
    assert await signed_in.select("SELECT COUNT(*) AS n FROM customers") == [{"n": "80"}]


async def test_a_statement_can_be_refused_with_any_number(signed_in: Any) -> None:
    await fault(signed_in, error_code=1820, exports=1)
    assert "<code>#1820 - " in (await signed_in.export(ROWS)).text
    assert "<code>" not in (await signed_in.export(ROWS)).text


async def test_faults_can_spare_exports_and_tables(signed_in: Any) -> None:
    await fault(signed_in, no_rows=True, spared_exports=1, exports=1, tables=["orders"])
    customers = "SELECT 0 AS z FROM `customers` LIMIT 1"
    lengths = [len((await signed_in.export(s)).content) for s in (customers, ROWS, customers, ROWS, ROWS)]
    assert [length > 131 for length in lengths] == [True, True, True, False, True]


async def test_requests_of_a_session_are_answered_one_by_one(signed_in: Any) -> None:
    await fault(signed_in, seconds_per_row=0.001)
    await signed_in.control("DELETE", "/statistics")
    answers = await asyncio.gather(*(signed_in.export(ROWS) for _ in range(3)))
    assert all(answer.text.endswith(END) for answer in answers)
    assert (await signed_in.control("GET", "/statistics"))["peak_parallel_requests"] == 3


async def test_a_client_that_leaves_frees_its_session(signed_in: Any) -> None:
    await fault(signed_in, seconds_per_row=0.5, exports=1)
    with pytest.raises(httpx.ReadTimeout):
        await signed_in.http.post(
            "/phpmyadmin/index.php?route=/export", timeout=0.3,
            data={"what": "json", "export_type": "raw", "output_format": "sendit", "filename_template": "x",
                  "server": "1", "sql_query": ROWS},
        )  # fmt: skip
    async with asyncio.timeout(5):
        assert await is_signed_in(signed_in)


async def test_an_unknown_fault_is_refused(pma: Any) -> None:
    for path in ("faults", "setup"):
        assert (await pma.http.put(f"/control/phpmyadmin/{path}", json={"sulk": True})).status_code == 400
