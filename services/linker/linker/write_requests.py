"""Makes writes of the lines of a plan: one for each pair and side, with the fields that differ."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID, uuid5

from linker.pair_plans import CREATE
from linking.planning import Action
from linking.records import STOCK, Side
from linking.removals import RemovalAction
from linking.settings import LinkSettings

UPDATE = "update"
SENT_ACTIONS = (Action.WRITE.value, CREATE, *(one.value for one in RemovalAction if one is not RemovalAction.KEEP))
"""The actions of a plan's lines that become writes."""


@dataclass(frozen=True)
class DueLine:
    """A line of a plan that is to be written, with its pair. `product` is the id of a variant's product.

    `after` is what the target gets; None where that is the other side's value.
    """

    pair: UUID
    resource: str
    product_pair: UUID | None
    plan_number: int
    target: Side
    record: str | None
    product: str | None
    field: str
    action: str
    shopify: Any
    odoo: Any
    after: Any


@dataclass(frozen=True)
class NewWrite:
    """A write as it is decided. `fields` has for each field the value that is expected, the new one, and that of the
    other side, with which it was decided."""

    id: UUID
    pair: UUID
    side: Side
    plan_number: int
    operation: str
    resource: str
    record: str | None
    product: str | None
    fields: dict[str, dict[str, Any]]


def derive_write_id(pair: UUID, side: Side, plan_number: int) -> UUID:
    """Return the id of the write to one side of a pair that this decision makes: always the same."""
    return uuid5(pair, f"{side}:{plan_number}")


def build_writes(lines: Iterable[DueLine]) -> Iterator[NewWrite]:
    """Yield the writes that these lines make. The lines of each pair and side follow each other.

    A removal comes alone: the fields of a record that is taken off sale are written afterwards.
    """
    for (pair, target), grouped in groupby(lines, key=lambda line: (line.pair, line.target)):
        of_pair = list(grouped)
        first = next((line for line in of_pair if line.action != Action.WRITE), of_pair[0])
        is_update = first.action == Action.WRITE
        yield NewWrite(
            id=derive_write_id(pair, target, first.plan_number),
            pair=pair,
            side=target,
            plan_number=first.plan_number,
            operation=UPDATE if is_update else first.action,
            resource=first.resource,
            record=first.record,
            product=first.product,
            fields={line.field: _build_field(line) for line in of_pair} if is_update else {},
        )


def get_target_names(names: Iterable[str], resource: str, side: Side, settings: LinkSettings) -> dict[str, str]:
    """Return the names that a write's fields have on the side that is written, by the link's `names`.

    They are the same, but stock of Odoo goes by Odoo's ids of locations.
    """
    if resource != STOCK or side is Side.SHOPIFY:
        return {name: name for name in names}
    return {name: str(settings.locations[name]) for name in names}


def _build_field(line: DueLine) -> dict[str, Any]:
    values = {Side.SHOPIFY: line.shopify, Side.ODOO: line.odoo}
    other = values[line.target.other]
    return {"expected": values[line.target], "wanted": other if line.after is None else line.after, "other": other}
