"""The first difference between two documents."""

import pytest

from merchant_sync.comparison import find_difference


@pytest.mark.parametrize("same", [None, 1, "a", [], {}, {"a": [1, {"b": None}]}])
def test_equal_documents_have_no_difference(same: object) -> None:
    assert find_difference(same, same) is None


def test_a_difference_names_its_path_and_both_values() -> None:
    found = find_difference({"data": {"shop": {"name": "Acme"}}}, {"data": {"shop": {"name": "Acme Inc"}}})

    assert found == '$.data.shop.name: "Acme" in the object, "Acme Inc" expected'


def test_a_record_in_a_list_is_named_by_its_id() -> None:
    ours, theirs = ({"edges": [{"node": {"id": "gid://shopify/Product/7", "title": title}}]} for title in ("a", "b"))

    assert str(find_difference(ours, theirs)).startswith("$.edges[0] (gid://shopify/Product/7).node.title:")


@pytest.mark.parametrize(
    ("stored", "expected", "difference"),
    [
        ({}, {"a": 1}, "$.a: missing in the object, expected 1"),
        ({"a": 1}, {}, "$.a: only in the object: 1"),
        ([1], [1, 2], "$: 1 in the object, 2 expected; the expected list goes on with 2"),
        ([1, 2], [1], "$: 2 in the object, 1 expected; the object goes on with 2"),
        (True, 1, "$: true in the object, 1 expected"),
        ("1", 1, '$: "1" in the object, 1 expected'),
        ([], {}, "$: [] in the object, {} expected"),
    ],
)
def test_a_difference_names_what_is_missing_or_of_another_type(
    stored: object, expected: object, difference: str
) -> None:
    assert find_difference(stored, expected) == difference


def test_a_long_value_is_cut() -> None:
    assert len(str(find_difference("x" * 10_000, "y" * 10_000))) < 400
