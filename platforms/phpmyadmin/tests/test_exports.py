"""Answers to statements: whole rows from any pieces, and never a cut or foreign answer for a whole one."""

import csv
import io
import json
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.phpmyadmin.errors import CutAnswerError, SlowAnswerError, StatementRefusedError
from platforms.phpmyadmin.exports import CsvParser, ExportParser, JsonParser, TailBuffer
from platforms.phpmyadmin.values import TextRow

Rows = Sequence[dict[str, str | None]]
END: dict[str, str | None] = {"z": "1", "c0": None, "c1": None}
ROWS: Rows = [
    {"z": "0", "c0": "1", "c1": "a"},
    {"z": "0", "c0": "2", "c1": None},
    {"z": "0", "c0": "3", "c1": ""},
    {"z": "0", "c0": "4", "c1": "NULL"},
    {"z": "0", "c0": "5", "c1": r"\N"},
    {"z": "0", "c0": "6", "c1": 'a "b", c\nd\r\ne ""\\ 😀 é </div> ]}'},
    END,
]
EMPTY: Rows = [END]
TEXTS = (
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(['"', "\n", r"\N", ","])
)
ANY_ROWS = st.lists(st.fixed_dictionaries({"z": st.just("0"), "c0": TEXTS, "c1": TEXTS}), max_size=4)


def write_json(rows: Rows) -> bytes:
    """Write an export as JSON, with slashes escaped, as PHP does."""
    header = json.dumps({"type": "header", "version": "5.2.1", "comment": "x"})
    written = ",\n".join(json.dumps(row, ensure_ascii=False).replace("/", r"\/") for row in rows)
    return f'[\n{header},\n{{"type":"raw","data":\n[\n{written}\n]\n}}\n]\n'.encode()


def write_csv(rows: Rows, end: str = "\n") -> bytes:
    """Write an export as CSV: NULL is two characters without quotes, the empty text nothing, all else in quotes."""
    lines: list[list[str | None]] = [["z", "c0", "c1"], *([row["z"], row["c0"], row["c1"]] for row in rows)]
    return "".join(",".join(map(write_field, line)) + end for line in lines).encode()


def write_field(text: str | None) -> str:
    if not text:
        return r"\N" if text is None else ""
    return '"' + text.replace('"', '""') + '"'


def parse(parser: ExportParser, pieces: Iterable[bytes]) -> list[TextRow]:
    rows = [row for piece in pieces for row in parser.parse_piece(piece)]
    return rows + parser.finish()


def split(body: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(body) + 1) for place in places} | {0, len(body)})
    return [body[begin:end] for begin, end in pairwise(ends)]


def write_csv_crlf(rows: Rows) -> bytes:
    return write_csv(rows, "\r\n")


KINDS: dict[str, tuple[Callable[[], ExportParser], Callable[[Rows], bytes]]] = {
    "json": (JsonParser, write_json),
    "csv": (CsvParser, write_csv),
    "csv of windows": (CsvParser, write_csv_crlf),
}
kinds = pytest.mark.parametrize(("make", "write"), KINDS.values(), ids=KINDS)


@kinds
@pytest.mark.parametrize("rows", [ROWS, EMPTY], ids=["rows", "no rows"])
def test_an_answer_is_read_from_any_two_pieces(
    make: Callable[[], ExportParser], write: Callable[[Rows], bytes], rows: Rows
) -> None:
    body = write(rows)
    for place in range(len(body) + 1):
        assert parse(make(), [body[:place], body[place:]]) == list(rows)


@kinds
def test_an_answer_is_read_from_single_bytes(make: Callable[[], ExportParser], write: Callable[[Rows], bytes]) -> None:
    assert parse(make(), [bytes([byte]) for byte in write(ROWS)]) == list(ROWS)


@kinds
@given(rows=ANY_ROWS, places=st.lists(st.integers(0, 10_000), max_size=8))
def test_any_rows_are_read_from_any_pieces(
    make: Callable[[], ExportParser], write: Callable[[Rows], bytes], rows: Rows, places: list[int]
) -> None:
    assert parse(make(), split(write([*rows, END]), places)) == [*rows, END]


@kinds
def test_an_answer_that_is_cut_anywhere_never_has_its_last_row(
    make: Callable[[], ExportParser], write: Callable[[Rows], bytes]
) -> None:
    body = write(ROWS)
    for place in range(len(body)):
        parser = make()
        rows = parser.parse_piece(body[:place])
        assert rows == ROWS[: len(rows)]
        try:
            rows += parser.finish()
        except CutAnswerError:
            continue
        # An answer that ends behind a row seems whole; or only the end of the last line is missing.
        assert END not in rows or place == len(body) - 1


@pytest.mark.parametrize("place", range(len(write_json(ROWS)) - 2))
def test_json_that_is_cut_is_never_whole(place: int) -> None:
    parser = JsonParser()
    parser.parse_piece(write_json(ROWS)[:place])
    with pytest.raises(CutAnswerError):
        parser.finish()


PAGE = b'<div class="alert alert-danger" role="alert"><h1>Error</h1>, a "b"\n<code>#1146 - No</code><br></div>'


@kinds
def test_html_between_two_rows_ends_the_answer_at_once(
    make: Callable[[], ExportParser], write: Callable[[Rows], bytes]
) -> None:
    body = write(ROWS)
    place = body.index(b'"4"') - len(b'{"z": "0", "c0": ' if make is JsonParser else b'"0",')
    parser = make()
    with pytest.raises(CutAnswerError):
        parser.parse_piece(body[:place] + PAGE + body[place:])


@kinds
def test_any_page_in_place_of_an_export_is_no_answer(
    make: Callable[[], ExportParser], write: Callable[[Rows], bytes]
) -> None:
    for page in (
        b"",
        b" \n",
        PAGE,
        b"<html>" + b"x" * 200_000,
        b"[]",
        b"{}",
        b"null",
        b"[1]",
        b'[{"type":"x"}]',
        b"\xff\xfe",
    ):
        with pytest.raises(CutAnswerError):
            parse(make(), [page])


@kinds
def test_what_stands_behind_the_end_ends_the_answer(
    make: Callable[[], ExportParser], write: Callable[[Rows], bytes]
) -> None:
    for rest in (b"<br />", b"]", b"x", b"\xc3"):
        with pytest.raises(CutAnswerError):
            parse(make(), [write(ROWS), rest])
        with pytest.raises(CutAnswerError):
            parse(make(), [write(ROWS) + rest])


def test_warnings_before_json_are_passed_over_in_any_pieces() -> None:
    warning = b'<br />\n<b>Warning</b>:  [x] {"type": "y"} in <b>/a.php</b> on line <b>1</b><br />\n'
    body = warning + write_json(ROWS)
    assert parse(JsonParser(), [body]) == list(ROWS)
    for place in range(len(warning) + 40):
        assert parse(JsonParser(), [body[:place], body[place:]]) == list(ROWS)


def test_what_is_too_long_to_be_warnings_is_no_export() -> None:
    parser = JsonParser()
    with pytest.raises(CutAnswerError):
        parse(parser, [b"<p>"] * 50_000)


def test_an_answer_of_a_statement_without_a_last_row_is_read_as_well() -> None:
    # `CHECKSUM TABLE` and sums have one row, with columns of their own.
    assert parse(CsvParser(), [b'"TableDescription","Checksum"\n"shop.orders",\\N\n']) == [
        {"TableDescription": "shop.orders", "Checksum": None}
    ]
    assert parse(CsvParser(), [b'"c0","c1"\n"5",\n']) == [{"c0": "5", "c1": ""}]


@pytest.mark.parametrize(
    "body",
    [
        b'"z","c0"\n"0"\n',
        b'"z","c0"\n"0","1","2"\n',
        b'"z","c0"\n0,1\n',
        b'"z","c0"\n"0",1\n',
        b'"z","c0"\n"0","a"b"\n',
        b'"z","c0"\n"0","a" \n',
        b'"z","c0"\n"0", "a"\n',
        b'"z","c0"\n"0",NULL\n',
        b'"z","c0"\n"0",\\Nx\n',
        b'"z","c0"\n"0","a"\r"1","b"\n',
        b'"z","c0"\n"0","\xff"\n',
        b'"z","c0"\n"0","a',
        b'"z","c0"\n"0","a"',
        b'"z","c0"',
        b'"z",\n',
        b"z,c0\n",
        b"\n",
    ],
)
def test_a_malformed_csv_is_no_answer(body: bytes) -> None:
    for pieces in ([body], [bytes([byte]) for byte in body]):
        with pytest.raises(CutAnswerError):
            parse(CsvParser(), pieces)


@pytest.mark.parametrize(
    "rows",
    [
        '"x"',
        "5",
        "null",
        "[1]",
        '{"z": 1}',
        '{"z": "0", "c0": 1.5}',
        '{"z": "0", "c0": true}',
        '{"z": "0", "c0": {}}',
        '{"z": ["0"]}',
    ],
)
def test_rows_that_are_not_of_texts_are_no_answer(rows: str) -> None:
    body = write_json(ROWS).replace(b'{"z": "0", "c0": "1", "c1": "a"}', rows.encode())
    with pytest.raises(CutAnswerError):
        parse(JsonParser(), [body])


@pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xed\xa0\x80"])
def test_what_is_no_utf_8_is_no_answer(text: bytes) -> None:
    for make, write in KINDS.values():
        body = write(ROWS).replace(b"NULL", text)
        with pytest.raises(CutAnswerError):
            parse(make(), [body])


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_quotes_are_those_of_every_other_reader_of_csv(text: str) -> None:
    body = write_csv([{"z": "0", "c0": text, "c1": "x"}])
    (_, (_, expected, _)) = csv.reader(io.StringIO(body.decode(), newline=""))
    assert parse(CsvParser(), [body])[0]["c0"] == expected == text


def measure_seconds(parser: ExportParser, body: bytes, size: int) -> float:
    began = time.process_time()
    for place in range(0, len(body), size):
        parser.parse_piece(body[place : place + size])
    parser.finish()
    return time.process_time() - began


LARGE = 16 * 1024 * 1024
LARGE_VALUES = {
    "plain": "x" * LARGE,
    "quotes": '"' * (LARGE // 2),
    "lines": ",\r\n" * (LARGE // 3),
    "wide": "é" * (LARGE // 2),
}


@kinds
@pytest.mark.parametrize("value", LARGE_VALUES.values(), ids=LARGE_VALUES)
def test_a_large_value_in_many_pieces_takes_time_in_proportion(
    make: Callable[[], ExportParser], write: Callable[[Rows], bytes], value: str
) -> None:
    body = write([{"z": "0", "c0": "1", "c1": value}, END])
    assert measure_seconds(make(), body, 16 * 1024) < 5


def test_what_is_no_csv_is_not_kept_while_it_arrives() -> None:
    parser = CsvParser()
    parser.parse_piece(write_csv(ROWS))
    with pytest.raises(CutAnswerError):
        parser.parse_piece(b"x" * 1000)


@kinds
def test_memory_is_that_of_a_piece_and_not_of_the_answer(
    make: Callable[[], ExportParser], write: Callable[[Rows], bytes]
) -> None:
    body = write([{"z": "0", "c0": str(number), "c1": "x" * 1000} for number in range(20_000)])
    parser = make()
    tracemalloc.start()
    try:
        count = sum(len(parser.parse_piece(body[place : place + 16384])) for place in range(0, len(body), 16384))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 1024 * 1024


def raise_for(body: bytes, size: int = 1000) -> None:
    tail = TailBuffer()
    for place in range(0, len(body), size):
        tail.add(body[place : place + size])
    tail.raise_for_error()


@pytest.mark.parametrize(("code", "is_retryable"), [(1146, False), (1142, False), (1143, False), (1030, True)])
def test_an_error_of_the_database_is_known_by_its_number(code: int, is_retryable: bool) -> None:
    page = PAGE.replace(b"1146", str(code).encode())
    for body in (write_json(ROWS)[:-8] + page, page, write_json(ROWS) * 500 + page + b"\n"):
        with pytest.raises(StatementRefusedError) as raised:
            raise_for(body)
        assert raised.value.code == code
        assert raised.value.retryable is is_retryable


@pytest.mark.parametrize(
    ("code", "kind"), [(1205, CutAnswerError), (1317, CutAnswerError), (2006, CutAnswerError), (3024, SlowAnswerError)]
)
def test_a_statement_that_the_database_breaks_off_may_be_tried_again(code: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=rf"\(error {code}\)"):
        raise_for(write_json(ROWS)[:-8] + PAGE.replace(b"1146", str(code).encode()))


def test_a_row_that_holds_the_text_of_an_error_is_none() -> None:
    value = PAGE.decode()
    raise_for(write_json([{"z": "0", "c0": "1", "c1": value}])[:-8])
    raise_for(write_json([{"z": "0", "c0": "1", "c1": value}, *ROWS])[:-30])


def test_the_error_of_the_last_statement_counts() -> None:
    with pytest.raises(StatementRefusedError) as raised:
        raise_for(PAGE + PAGE.replace(b"1146", b"1142"))
    assert raised.value.code == 1142


def test_only_the_end_of_a_large_answer_is_kept() -> None:
    tail = TailBuffer()
    tracemalloc.start()
    try:
        for _ in range(2_000):
            tail.add(b"x" * 16384)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1024 * 1024
