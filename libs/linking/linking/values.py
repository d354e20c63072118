"""Compares values by their meaning: two values are the same if their normal forms are equal.

| kind | form of a value | normal form |
|-|-|-|
| text | string | without white space at its ends, Unicode NFC |
| html | HTML or plain text | its text, with each run of white space as one blank |
| money | decimal as string | rounded to the currency's digits |
| weight | grams as decimal string | rounded to a tenth of a gram |
| tags | list of strings | the set of them, without case; a comma separates tags |
| options | list of `{"name", "values"}` | the set of values by name |
| boolean | true or false | itself |

Empty is one thing: `None`, `False` (not of a boolean), an empty string or list, and an amount or weight of zero.
"""

from collections.abc import Hashable
from decimal import Decimal

from linking.fields import Kind
from linking.records import Value


def normalise(kind: Kind, value: Value, currency: str | None = None) -> Hashable:
    """Return the normal form of `value`; None if it is empty.

    `currency` is an ISO 4217 code, for money. Raises `ValueError` if the value has not the form of its kind.
    """
    raise NotImplementedError


def is_same(kind: Kind, one: Value, other: Value, currency: str | None = None) -> bool:
    """Return whether both values mean the same. Raises `ValueError` if one has not the form of its kind."""
    return normalise(kind, one, currency) == normalise(kind, other, currency)


def get_digits(currency: str | None) -> int:
    """Return the number of decimal places of amounts in `currency` (ISO 4217); 2 where it is not known."""
    raise NotImplementedError


def extract_text(html: str) -> str:
    """Return the text of HTML, with each run of white space and each edge of a block as one blank."""
    raise NotImplementedError


def convert_to_grams(weight: Decimal | float | str | None, unit: str) -> str | None:
    """Return a weight in `unit` (g, kg, oz, lb) as a value of kind `weight`; None for none.

    Raises `ValueError` for another unit.
    """
    raise NotImplementedError


def convert_to_amount(amount: Decimal | float | str | None) -> str | None:
    """Return an amount of money as a value of kind `money`, with all its digits; None for none."""
    raise NotImplementedError
