"""Finds the attributes and values that the options of a new product need, and makes those that are missing.

Odoo makes all combinations of values at once for attributes that are `always`, and variants on demand as soon as one of
a product's attributes is `dynamic`. A product that has not all combinations needs such an attribute.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from linking.values import normalise_case
from odoo_writer.new_products import NewOption
from odoo_writer.references import choose_by_name, find_by_name, make_by_name
from odoo_writer.sessions import WritingSession, create_records
from platforms.odoo.calls import Row
from platforms.odoo.reading import list_rows

ATTRIBUTE, VALUE = "product.attribute", "product.attribute.value"
ALWAYS, DYNAMIC = "always", "dynamic"


@dataclass(frozen=True)
class AttributeLine:
    """An attribute of a product, and the values that it has there."""

    attribute: int
    values: tuple[int, ...]


async def find_lines(session: WritingSession, options: Sequence[NewOption], *, is_sparse: bool) -> list[AttributeLine]:
    """Return a line for each option. With `is_sparse`, the attribute of the first one is `dynamic`."""
    if not options:
        return []
    names = {option.name for option in options}
    found = await find_by_name(session, ATTRIBUTE, names, ("id", "name", "create_variant"))
    chosen: list[int | None] = [
        choose_attribute(found, option.name, must_be_dynamic=is_sparse and place == 0)
        for place, option in enumerate(options)
    ]
    missing = [place for place, number in enumerate(chosen) if number is None]
    if missing:
        modes = [DYNAMIC if is_sparse and place == 0 else ALWAYS for place in missing]
        values = [
            {"name": options[place].name, "create_variant": mode} for place, mode in zip(missing, modes, strict=True)
        ]
        for place, number in zip(missing, await create_records(session, ATTRIBUTE, values), strict=True):
            chosen[place] = number
    attributes = [number for number in chosen if number is not None]
    return await _find_values(session, options, attributes)


def choose_attribute(rows: Sequence[Row], name: str, *, must_be_dynamic: bool) -> int | None:
    """Return the id of an attribute with a name whose values make variants; None if there is none."""
    modes = [DYNAMIC] if must_be_dynamic else [ALWAYS, DYNAMIC]
    for mode in modes:
        number = choose_by_name([row for row in rows if row["create_variant"] == mode], name)
        if number is not None:
            return number
    return None


async def _find_values(
    session: WritingSession, options: Sequence[NewOption], attributes: Sequence[int]
) -> list[AttributeLine]:
    rows = await list_rows(session, VALUE, "attribute_id", attributes, ("id", "name", "attribute_id"), context=None)
    known = {(row["attribute_id"][0], normalise_case(row["name"])): row["id"] for row in reversed(rows)}
    wanted = [
        (attribute, name) for option, attribute in zip(options, attributes, strict=True) for name in option.values
    ]
    missing = [pair for pair in wanted if (pair[0], normalise_case(pair[1])) not in known]
    if missing:
        values = [{"attribute_id": attribute, "name": name} for attribute, name in missing]
        created = await make_by_name(session, VALUE, values, ("attribute_id", "in", list(attributes)))
        known |= {(pair[0], normalise_case(pair[1])): number for pair, number in zip(missing, created, strict=True)}
    return [
        AttributeLine(attribute, tuple(known[attribute, normalise_case(name)] for name in option.values))
        for option, attribute in zip(options, attributes, strict=True)
    ]
