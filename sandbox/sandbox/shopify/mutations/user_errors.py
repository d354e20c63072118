"""The `userErrors` of mutations, and the prices that several mutations check alike."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

UserError = dict[str, Any]
Path = list[str | int]
"""The way to a field of an input, by names and indexes."""
HIGHEST_AMOUNT = Decimal(10) ** 18
MAXIMUM_LENGTH = 255


def build_user_error(path: Sequence[str | int] | None, message: str, code: str | None = None) -> UserError:
    """Build an entry of `userErrors`. `path` leads to the wrong input field; indexes in it become text."""
    field = [str(part) for part in path] if path is not None else None
    return {"field": field, "message": message, "code": code, "elementIndex": None, "elementKey": None}


def parse_amount(value: Any) -> Decimal | None:
    """Return an amount of money of an input as a number; None if it is none."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def format_amount(value: Any) -> str | None:
    """Format an amount of money of an input as variants show it, with two decimals: 12.5 as 12.50. None stays None."""
    amount = parse_amount(value) if value is not None else None
    return f"{amount:.2f}" if amount is not None else None


def find_amount_problem(value: Any) -> tuple[str, bool] | None:
    """Return why `value` can be no price or cost, and whether it is too low; None if it can. None is no amount."""
    if value is None:
        return None
    amount = parse_amount(value)
    if amount is None:
        return "must be a number", False
    if amount < 0:
        return "must be greater than or equal to 0", True
    return (f"must be less than {HIGHEST_AMOUNT}", False) if amount >= HIGHEST_AMOUNT else None
