"""What a window remembers: each change is seen once, whatever appears late, and the state stays small."""

from random import Random

import orjson
import pytest

from contracts.events import MAX_STATE_BYTES
from odoo_fetcher.read_state import ReadState, SmallList, decode_state
from odoo_fetcher.windows import (
    GROUPS,
    MAX_REMEMBERED,
    OVERLAP_SECONDS,
    SETTLED_SECONDS,
    Window,
    WindowLook,
    decode_window,
    get_group,
    open_window,
)

NOW = 1_796_036_400.0
FIRST = "2026-11-30 11:00:00"


def look(window: Window, now: float, *rows: tuple[int, str]) -> WindowLook:
    """Look at records by their ids and times."""
    taken = WindowLook(window, now)
    taken.add(((number,), written) for number, written in rows if written >= window.since)
    return taken


def test_a_window_opens_ten_minutes_before_the_latest_record() -> None:
    assert open_window(FIRST, NOW).since == "2026-11-30 10:50:00"
    assert open_window("", NOW).since == ""


def test_what_was_seen_is_not_new_and_a_change_is_new_in_its_group_alone() -> None:
    rows = [(number, FIRST) for number in range(1, 300)]
    window = look(open_window(FIRST, NOW), NOW, *rows).build_next()
    assert not look(window, NOW + 30, *rows).find_changed_groups()
    rows[6] = (7, "2026-11-30 11:00:01")
    assert look(window, NOW + 30, *rows).find_changed_groups() == {get_group(7)}


def test_a_record_with_an_old_time_that_appears_late_is_new() -> None:
    window = look(open_window(FIRST, NOW), NOW, (1, FIRST)).build_next()
    late = (2, "2026-11-30 10:50:30")
    assert look(window, NOW + 30, (1, FIRST), late).find_changed_groups() == {get_group(2)}


def test_a_window_moves_behind_what_is_settled_and_not_before() -> None:
    window = look(open_window(FIRST, NOW), NOW, (1, FIRST)).build_next()
    for seconds in (30, OVERLAP_SECONDS, SETTLED_SECONDS - 1):
        assert look(window, NOW + seconds, (1, FIRST)).build_next().since == window.since
    moved = look(window, NOW + SETTLED_SECONDS, (1, FIRST), (2, "2026-11-30 11:05:00")).build_next()
    assert moved.since == "2026-11-30 11:00:01"
    assert not look(moved, NOW + SETTLED_SECONDS + 30, (2, "2026-11-30 11:05:00")).find_changed_groups()


def test_a_window_never_moves_back() -> None:
    window = Window("2026-11-30 11:00:01", NOW, FIRST)
    assert look(window, NOW + SETTLED_SECONDS).build_next().since == window.since


def test_a_remembered_record_that_is_missing_is_gone_and_many_are_not_remembered() -> None:
    window = look(open_window(FIRST, NOW), NOW, (1, FIRST), (2, FIRST)).build_next()
    assert look(window, NOW + 30, (2, FIRST)).list_gone() == [(1,)]
    many = [(number, FIRST) for number in range(MAX_REMEMBERED + 1)]
    assert look(open_window(FIRST, NOW), NOW, *many).build_next().recent == ()


def test_a_window_is_the_same_when_it_is_decoded_and_another_text_is_none() -> None:
    window = look(open_window(FIRST, NOW), NOW, (1, FIRST), (2, FIRST)).build_next()
    assert decode_window(orjson.loads(orjson.dumps(window.encode()))) == window
    with pytest.raises((ValueError, TypeError)):
        decode_window(["", 0, "", "not packed", []])


def test_the_state_fits_into_its_limit_however_full_the_windows_are() -> None:
    random = Random(1)
    sums = tuple(random.randrange(2**32) for _ in range(GROUPS))
    recent = tuple(tuple(random.randrange(10**8) for _ in range(3)) for _ in range(MAX_REMEMBERED))
    windows = {f"product.template.number.{number}": Window(FIRST, NOW, FIRST, sums, recent) for number in range(13)}
    lists = {name: SmallList("0" * 16, tuple(range(10**6, 10**6 + 100))) for name in ("company", "taxes", "warehouses")}
    state = ReadState("digest", NOW, NOW, windows, lists=lists)
    text = state.encode()
    assert len(text) <= MAX_STATE_BYTES
    decoded = decode_state(text)
    assert decoded is not None and all(window.sums == sums for window in decoded.windows.values())
