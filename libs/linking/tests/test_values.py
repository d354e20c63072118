"""Values are compared by what they mean, in normal forms."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linking.fields import ValueKind
from linking.html_text import build_html, extract_lines, extract_text
from linking.values import convert_to_amount, convert_to_grams, is_same, normalise

WORDS = st.text("abc<>&;! \n\t[]-é\u00a0\u200b", max_size=30)


@pytest.mark.parametrize("kind", [one for one in ValueKind if one is not ValueKind.BOOLEAN])
def test_empty_false_and_null_are_one_thing(kind: ValueKind) -> None:
    assert {normalise(kind, value) for value in (None, False, "", [])} == {None}


def test_an_empty_boolean_is_false() -> None:
    assert is_same(ValueKind.BOOLEAN, None, False)
    assert not is_same(ValueKind.BOOLEAN, True, False)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (ValueKind.TEXT, " Ring ", "Ring"),
        (ValueKind.TEXT, "one\r\ntwo", "one\ntwo"),
        (ValueKind.TEXT, "Cafe\u0301", "Café"),
        (ValueKind.HTML, "<p>A <b>fine</b> ring</p>", "<div>A fine&nbsp;ring</div>\n"),
        (ValueKind.HTML, "<p>One</p><p>Two</p>", "One<br>Two"),
        (ValueKind.HTML, "<p></p>", None),
        (ValueKind.MONEY, "10", "10.00"),
        (ValueKind.MONEY, "9.999", 10.0),
        (ValueKind.MONEY, "0.00", None),
        (ValueKind.WEIGHT, "453.59237", "453.6"),
        (ValueKind.WEIGHT, "0.0", None),
        (ValueKind.TAGS, ["b", "A", "a"], ["a", "B "]),
        (ValueKind.TAGS, ["a, b"], ["a", "b"]),
        (ValueKind.OPTIONS, [{"name": "Size", "values": ["S", "M"]}], [{"name": "size", "values": ["M", "S"]}]),
    ],
)
def test_the_same_meaning_in_two_forms_is_no_difference(kind: ValueKind, one: object, other: object) -> None:
    assert is_same(kind, one, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (ValueKind.TEXT, "Ring", "ring"),
        (ValueKind.HTML, "<p>a b</p>", "<p>ab</p>"),
        (ValueKind.HTML, "&lt;b&gt;", "<b>"),
        (ValueKind.MONEY, "10.00", "10.01"),
        (ValueKind.WEIGHT, "100", "100.1"),
        (ValueKind.TAGS, ["a"], ["a", "b"]),
        (ValueKind.OPTIONS, [{"name": "Size", "values": ["S"]}], [{"name": "Size", "values": ["S", "M"]}]),
    ],
)
def test_another_meaning_is_a_difference(kind: ValueKind, one: object, other: object) -> None:
    assert not is_same(kind, one, other)


def test_amounts_have_the_digits_of_their_currency() -> None:
    assert is_same(ValueKind.MONEY, "1000.4", "1000", "JPY")
    assert not is_same(ValueKind.MONEY, "1.234", "1.235", "KWD")
    assert is_same(ValueKind.MONEY, "1.234", "1.23", "EUR")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ValueKind.TEXT, 5),
        (ValueKind.HTML, ["<p>"]),
        (ValueKind.MONEY, "ten"),
        (ValueKind.MONEY, "NaN"),
        (ValueKind.MONEY, "1e999999999"),
        (ValueKind.MONEY, True),
        (ValueKind.WEIGHT, {}),
        (ValueKind.TAGS, "a"),
        (ValueKind.TAGS, [1]),
        (ValueKind.OPTIONS, ["Size"]),
        (ValueKind.OPTIONS, [{"name": "Size"}]),
        (ValueKind.BOOLEAN, "yes"),
    ],
)
def test_a_value_of_another_form_is_refused(kind: ValueKind, value: object) -> None:
    with pytest.raises(ValueError, match="not a"):
        normalise(kind, value)


def test_weights_are_converted_to_grams() -> None:
    assert [convert_to_grams(1.5, unit) for unit in ("g", "kg")] == ["1.5", "1500.0"]
    assert is_same(ValueKind.WEIGHT, convert_to_grams(16, "oz"), convert_to_grams("1", "lb"))
    assert convert_to_grams(None, "kg") is None
    with pytest.raises(ValueError, match="unit"):
        convert_to_grams(1, "stone")


def test_a_float_is_the_amount_that_it_is_written_as() -> None:
    assert convert_to_amount(0.1) == "0.1"
    assert convert_to_amount(1e-7) == "0.0000001"
    assert convert_to_amount(None) is None


def test_what_is_hidden_is_no_text() -> None:
    assert extract_text("<style>p {}</style>a<script>1 < 2</script><!-- c --><![if x]>b<![endif]>") == "ab"


@given(WORDS)
def test_any_source_has_a_text(source: str) -> None:
    assert extract_text(source) == " ".join(extract_text(source).split())


@given(WORDS)
def test_plain_text_is_the_text_of_its_html(text: str) -> None:
    assert extract_text(build_html(text) or "") == " ".join(text.replace("\u200b", "").split())


@given(st.decimals("-1e9", "1e9", allow_nan=False, places=4), st.sampled_from(["EUR", "JPY", "KWD", None]))
def test_a_rounded_amount_is_its_own_normal_form(amount: Decimal, currency: str | None) -> None:
    once = normalise(ValueKind.MONEY, str(amount), currency)
    assert normalise(ValueKind.MONEY, None if once is None else str(once), currency) == once


@given(st.lists(st.text(max_size=8)))
def test_tags_are_a_set_whatever_their_order(tags: list[str]) -> None:
    assert is_same(ValueKind.TAGS, tags, list(reversed(tags)) * 2)


@given(st.lists(st.text(max_size=8)))
def test_tags_without_case_are_the_same_tags(tags: list[str]) -> None:
    assert is_same(ValueKind.TAGS, tags, [tag.casefold() for tag in tags])


@pytest.mark.parametrize(
    "html", ["<p>a &lt;b&gt;</p>c <i>d</i>\n e<br>f", "plain  text", "<style>p</style><ul><li>a<li>b</ul>", ""]
)
def test_the_lines_of_html_show_the_same_text(html: str) -> None:
    assert extract_text(build_html(extract_lines(html)) or "") == extract_text(html)
