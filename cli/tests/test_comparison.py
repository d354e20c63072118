"""Where two documents part first."""

import pytest

from merchant_sync.comparison import first_difference


@pytest.mark.parametrize("same", [None, 1, "a", [], {}, {"a": [1, {"b": None}]}])
def test_equal_documents_have_no_difference(same: object) -> None:
    assert first_difference(same, same) is None


def test_a_difference_names_its_path_and_both_values() -> None:
    found = first_difference({"data": {"shop": {"name": "Acme"}}}, {"data": {"shop": {"name": "Acme Inc"}}})

    assert found == '$.data.shop.name: "Acme" in the object, "Acme Inc" in truth'


def test_a_record_in_a_list_is_named_by_its_id() -> None:
    ours, theirs = ({"edges": [{"node": {"id": "gid://shopify/Product/7", "title": title}}]} for title in ("a", "b"))

    assert str(first_difference(ours, theirs)).startswith("$.edges[0] (gid://shopify/Product/7).node.title:")


@pytest.mark.parametrize(
    ("stored", "truth", "said"),
    [
        ({}, {"a": 1}, "$.a: missing in the object; the truth has 1"),
        ({"a": 1}, {}, "$.a: only in the object: 1"),
        ([1], [1, 2], "$: 1 in the object, 2 in truth; the truth goes on with 2"),
        ([1, 2], [1], "$: 2 in the object, 1 in truth; the object goes on with 2"),
        (True, 1, "$: true in the object, 1 in truth"),
        ("1", 1, '$: "1" in the object, 1 in truth'),
        ([], {}, "$: [] in the object, {} in truth"),
    ],
)
def test_what_is_missing_or_of_another_kind_is_said(stored: object, truth: object, said: str) -> None:
    assert first_difference(stored, truth) == said


def test_a_long_value_is_cut() -> None:
    assert len(str(first_difference("x" * 10_000, "y" * 10_000))) < 400
