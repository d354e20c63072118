"""Compares values by their meaning: two values are the same if their normal forms are equal.

| kind | form of a value | normal form |
|-|-|-|
| text | a string | Unicode NFC, without white space at its ends |
| html | HTML | its text, with each run of white space as one blank |
| money | a decimal number as a string | rounded to the currency's digits |
| weight | grams as a decimal number in a string | rounded to a tenth of a gram |
| tags | a list of strings | the set of them, without case; a comma separates tags |
| options | a list of `{"name": string, "values": [string, …]}` | the set of values by name, without case |
| boolean | true or false | itself |

Empty is one thing: `None`, an empty string or list, `False` where it is no boolean, an amount or a weight of zero. An
empty boolean is `False`.
"""

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from linking.fields import ValueKind
from linking.html_text import extract_text
from linking.records import Value

WEIGHT_STEP = Decimal("0.1")
"""Weights that differ by less are the same: conversions between pounds and grams are no edits."""
GRAMS = {"g": Decimal(1), "kg": Decimal(1000), "oz": Decimal("28.349523125"), "lb": Decimal("453.59237")}
"""The grams of each unit (ounces and pounds are the international ones)."""
_NO_DIGITS = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"),
    *("XAF", "XOF", "XPF"),
)
_THREE_DIGITS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
DIGITS = dict.fromkeys(_NO_DIGITS, 0) | dict.fromkeys(_THREE_DIGITS, 3) | dict.fromkeys(("CLF", "UYW"), 4)
"""The decimal places of currencies that have not two (ISO 4217)."""
_MAX_EXPONENT = 15


def normalise(kind: ValueKind, value: Value, currency: str | None = None) -> Hashable:
    """Return the normal form of `value`; None if it is empty.

    `currency` is an ISO 4217 code, for money. Raises `ValueError` if the value has not the form of its kind.
    """
    if kind is ValueKind.BOOLEAN:
        return _normalise_boolean(value)
    if value is None or value is False or value in ("", []):
        return None
    if kind is ValueKind.MONEY:
        return _round(_parse_decimal(value), Decimal(1).scaleb(-get_digits(currency)))
    return _NORMALISERS[kind](value)


def is_same(kind: ValueKind, one: Value, other: Value, currency: str | None = None) -> bool:
    """Return whether both values mean the same. Raises `ValueError` if one has not the form of its kind."""
    return normalise(kind, one, currency) == normalise(kind, other, currency)


def normalise_case(text: str) -> str:
    """Return what texts have in common that differ in case alone, or in white space at their ends."""
    # Folding may leave a form that is not NFC, and normalising one that is not folded.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


def get_digits(currency: str | None) -> int:
    """Return the number of decimal places of amounts in `currency` (ISO 4217); 2 where it is not known."""
    return DIGITS.get(currency or "", 2)


def convert_to_grams(weight: Decimal | float | str | None, unit: str) -> str | None:
    """Return a weight in `unit` (g, kg, oz, lb) as a value of kind `weight`; None for none.

    Raises `ValueError` for another unit, or for what is no number.
    """
    if weight is None or weight == "":
        return None
    if unit not in GRAMS:
        raise ValueError(f"not a unit of weight: {unit!r}")
    return _format_decimal(_parse_decimal(weight) * GRAMS[unit])


def convert_to_amount(amount: Decimal | float | str | None) -> str | None:
    """Return an amount of money as a value of kind `money`, with all its digits; None for none.

    Raises `ValueError` for what is no number.
    """
    return None if amount is None or amount == "" else _format_decimal(_parse_decimal(amount))


def _normalise_boolean(value: Value) -> bool:
    if value is not None and not isinstance(value, bool):
        raise ValueError("not a boolean")
    return bool(value)


def _normalise_text(value: Value) -> str | None:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip() or None


def _normalise_html(value: Value) -> str | None:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return unicodedata.normalize("NFC", extract_text(value)) or None


def _normalise_weight(value: Value) -> Decimal | None:
    return _round(_parse_decimal(value), WEIGHT_STEP)


def _normalise_tags(value: Value) -> frozenset[str] | None:
    # Shops keep no comma within a tag, and no two tags that differ in case alone.
    return _fold(part for tag in _list_texts(value) for part in tag.split(","))


def _normalise_options(value: Value) -> frozenset[tuple[str, frozenset[str] | None]] | None:
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise ValueError("not a list of options")
    return frozenset(
        (normalise_case(_require_text(one.get("name"))), _fold(_list_texts(one.get("values")))) for one in value
    )


def _list_texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("not a list of texts")
    return [_require_text(one) for one in value]


def _fold(texts: Iterable[str]) -> frozenset[str] | None:
    return frozenset(filter(None, map(normalise_case, texts))) or None


def _require_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _parse_decimal(value: Any) -> Decimal:
    """Return a number. A float is taken as it is written: 0.1 is a tenth, whatever its bits are."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("not a number")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation as error:
        raise ValueError("not a number") from error
    if not number.is_finite() or number.adjusted() > _MAX_EXPONENT:
        raise ValueError("not a number of a size that amounts and weights have")
    return number


def _round(number: Decimal, step: Decimal) -> Decimal | None:
    return number.quantize(step, ROUND_HALF_UP) or None


def _format_decimal(number: Decimal) -> str:
    return format(number, "f")


_NORMALISERS: Mapping[ValueKind, Callable[[Value], Hashable]] = {
    ValueKind.TEXT: _normalise_text,
    ValueKind.HTML: _normalise_html,
    ValueKind.WEIGHT: _normalise_weight,
    ValueKind.TAGS: _normalise_tags,
    ValueKind.OPTIONS: _normalise_options,
}
