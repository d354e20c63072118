"""Cursors survive their journey in events."""

from uuid import UUID

import pytest

from contracts.cursors import CursorState


@pytest.mark.parametrize(
    "state",
    [
        CursorState(),
        CursorState(3, "there", UUID(int=7)),
        CursorState(1, None, records={"products": ("a", "b"), "things": ()}),
    ],
)
def test_a_cursor_is_decoded_as_it_was_encoded(state: CursorState) -> None:
    assert CursorState.decode(state.encode()) == state


def test_the_same_records_in_another_order_are_the_same_cursor() -> None:
    first, second = {"b": ("2", "1"), "a": ("3",)}, {"a": ("3",), "b": ("1", "2")}
    assert CursorState(records=first).encode() == CursorState(records=second).encode()


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"v": 2}', '{"v":1,"attempts":0,"position":null,"read_id":null,"records":3}']
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        CursorState.decode(text)
