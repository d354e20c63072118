"""Plans pairs: what a link sync would write to the records of a product on both sides, from what is stored of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from linker.linked_records import SeenAt, get_seen_at
from linker.pairing import LINKED, MISSING, UNLINKED
from linking.fields import list_fields
from linking.planning import Action, Decision, DecisionReason, PlanRules, SideState, move_bases, plan_pair
from linking.records import PRODUCTS, LinkedRecord, Side, Value
from linking.removals import Removal, RemovalAction, decide_removal
from linking.settings import LinkSettings

CONFLICT, ERROR = "conflict", "error"
LISTED = (Action.WRITE, Action.CONFLICT, Action.BLOCKED)
"""The decisions that a plan lists: what would be written, and what would not although the sides differ."""
RECORD_FIELD = "record"
"""The name in the place of a field's of what is done with a record as a whole, because the other one is archived, gone
or missing."""
OPTIONS_FIELD = "options"
_MISSING_SIDES = {reason: side for side, reason in MISSING.items()}
CREATE = "create"
"""The action of a line for a record that is to be made."""


@dataclass(frozen=True)
class Pair:
    """A pair as it is stored, with what both sides last agreed on, as each has reported it.

    `shopify_archived` and `odoo_archived` say whether the records were archived or gone when that was last acted on;
    None until the pair is planned. `failed_write` is a write that the platform has refused. `unbooked` is, of stock and
    by location, what one side has sold and the other does not know of yet.
    """

    id: UUID
    resource: str
    product_pair: UUID | None
    shopify_id: str | None
    odoo_id: str | None
    state: str
    reason: str | None
    name: str
    shopify_base: Mapping[str, Value]
    odoo_base: Mapping[str, Value]
    shopify_archived: bool | None
    odoo_archived: bool | None
    failed_write: UUID | None = None
    unbooked: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class KnownRecord:
    """A product as it is known, and when its values were first seen."""

    record: LinkedRecord
    seen_at: SeenAt


@dataclass(frozen=True)
class PlanLine:
    """One line of a plan: what is to become of one field of a pair. `target` is the side that is written.

    It gets the other side's value, or `after` where that is not None.
    """

    field: str
    group: str
    action: str
    reason: str
    target: str | None = None
    shopify: Any = None
    odoo: Any = None
    after: Any = None


@dataclass(frozen=True)
class PlannedPair:
    """A pair after planning."""

    id: UUID
    resource: str
    state: str
    reason: str | None
    name: str
    shopify_base: Mapping[str, Value]
    odoo_base: Mapping[str, Value]
    shopify_archived: bool | None
    odoo_archived: bool | None
    lines: tuple[PlanLine, ...] = field(default=())
    unbooked: Mapping[str, int] = field(default_factory=dict)


def plan_product(
    pairs: Sequence[Pair],
    shopify: KnownRecord | None,
    odoo: KnownRecord | None,
    settings: LinkSettings,
    rules: PlanRules,
    open_lines: Mapping[UUID, Mapping[str, PlanLine]] = MappingProxyType({}),
) -> Iterator[PlannedPair]:
    """Yield the pair of a product and those of its variants as planned.

    `pairs` are the product's pair and all of its variants'; the records are None where they are gone, or where there is
    no counterpart. `open_lines` are the lines that are being written, by pair and field: nothing else is decided about
    these fields until the writes have ended.
    """
    for planned in _plan_pairs(pairs, shopify, odoo, settings, rules, open_lines):
        kept = open_lines.get(planned.id)
        if kept:
            lines = (*(line for line in planned.lines if line.field not in kept), *kept.values())
            planned = replace(planned, lines=lines)
        yield planned


def _plan_pairs(
    pairs: Sequence[Pair],
    shopify: KnownRecord | None,
    odoo: KnownRecord | None,
    settings: LinkSettings,
    rules: PlanRules,
    open_lines: Mapping[UUID, Mapping[str, PlanLine]],
) -> Iterator[PlannedPair]:
    for pair in pairs:
        variant = pair.product_pair is not None
        one = find_variant(shopify, pair.shopify_id if variant else None)
        other = find_variant(odoo, pair.odoo_id if variant else None)
        if pair.state == UNLINKED or one is None or other is None:
            yield _plan_unlinked(pair, one, other, settings)
        else:
            names = [name for name in settings.fields if name not in open_lines.get(pair.id, ())]
            yield _plan_linked(pair, (one, shopify), (other, odoo), settings, rules, names)


def find_variant(product: KnownRecord | None, variant: str | None) -> LinkedRecord | None:
    """Return a variant of a product, or for None the product itself; None if it is not there."""
    if product is None or variant is None:
        return product.record if product else None
    return next((child for child in product.record.children if child.id == variant), None)


def find_name(pair: Pair, *records: LinkedRecord | None) -> str:
    """Return the title of a product, or the SKU of a variant, as the first side has it that has any."""
    for record in records:
        if record is not None:
            name = record.values.get("title") if record.resource == PRODUCTS else record.keys.sku
            if name:
                return str(name)
    return pair.name


def _plan_unlinked(
    pair: Pair, shopify: LinkedRecord | None, odoo: LinkedRecord | None, settings: LinkSettings
) -> PlannedPair:
    lines = list[PlanLine]()
    is_product_of_both = pair.resource == PRODUCTS and pair.shopify_id is not None and pair.odoo_id is not None
    if is_product_of_both and (shopify is None) != (odoo is None):
        side = Side.SHOPIFY if shopify is None else Side.ODOO
        if not (pair.shopify_archived if side is Side.SHOPIFY else pair.odoo_archived):
            lines += _plan_removal(side, Removal.GONE, settings)
    elif pair.resource == PRODUCTS and pair.reason in _MISSING_SIDES:
        lines += _plan_creation(_MISSING_SIDES[pair.reason], shopify or odoo, settings)
    return _build(pair, find_name(pair, shopify, odoo), pair.state, pair.reason, lines)


def _plan_creation(side: Side, record: LinkedRecord | None, settings: LinkSettings) -> Iterator[PlanLine]:
    """Yield the line for making a product that this side lacks; none where the link makes no products there.

    Without a SKU the new product would not be known as the same thing.
    """
    has_keys = record is not None and all(child.keys.sku for child in record.children if not child.is_archived)
    if record is not None and has_keys and record.is_in_domain and side in settings.create_in:
        yield PlanLine(RECORD_FIELD, "", CREATE, MISSING[side], side)


def _plan_removal(side: Side, removal: Removal, settings: LinkSettings) -> Iterator[PlanLine]:
    """Yield the line for what is done on the other side; none where nothing is done."""
    effect = decide_removal(side, removal, settings)
    if effect.action is not RemovalAction.KEEP and effect.target is not None:
        yield PlanLine(RECORD_FIELD, "", effect.action, f"{removal}_on_{side}", effect.target)


def _plan_linked(
    pair: Pair,
    shopify: tuple[LinkedRecord, KnownRecord | None],
    odoo: tuple[LinkedRecord, KnownRecord | None],
    settings: LinkSettings,
    rules: PlanRules,
    names: Collection[str],
) -> PlannedPair:
    """Plan the fields `names` of a pair whose records are both there."""
    one, other = shopify[0], odoo[0]
    states = [
        SideState(record.values, base, get_seen_at(product.seen_at, record.id if pair.product_pair else None))
        for (record, product), base in ((shopify, pair.shopify_base), (odoo, pair.odoo_base))
        if product is not None
    ]
    planned = plan_pair(list_fields(pair.resource, names), states[0], states[1], rules)
    decisions = [_leave_options(decision) for decision in planned]
    bases = move_bases(states[0], states[1], decisions)
    lines = [_build_line(decision) for decision in decisions if decision.action in LISTED]
    for side, record, known in (
        (Side.SHOPIFY, one, pair.shopify_archived),
        (Side.ODOO, other, pair.odoo_archived),
    ):
        # Archived ones are matched, too: only what is archived afterwards is a removal.
        if pair.resource == PRODUCTS and record.is_archived and known is False:
            lines += _plan_removal(side, Removal.ARCHIVED, settings)
    state, reason = _find_state(decisions)
    archived = (
        one.is_archived if pair.shopify_archived is None else pair.shopify_archived,
        other.is_archived if pair.odoo_archived is None else pair.odoo_archived,
    )
    return _build(pair, find_name(pair, one, other), state, reason, lines, bases=bases, archived=archived)


def _leave_options(decision: Decision) -> Decision:
    """Return a decision to change a product's options as one that leaves them: variants would be lost with them."""
    if decision.field != OPTIONS_FIELD or decision.action not in (Action.WRITE, Action.CONFLICT):
        return decision
    return replace(decision, action=Action.BLOCKED, reason=DecisionReason.OPTIONS, target=None)


def _find_state(decisions: Sequence[Decision]) -> tuple[str, str | None]:
    """Return the state of a linked pair and its reason: of an error, or of a conflict that a person must settle."""
    for decision in decisions:
        if decision.action is Action.BLOCKED:
            return ERROR, decision.reason
    if any(decision.action is Action.CONFLICT for decision in decisions):
        return CONFLICT, "conflict"
    return LINKED, None


def _build_line(decision: Decision) -> PlanLine:
    return PlanLine(
        decision.field,
        decision.group,
        decision.action,
        decision.reason,
        decision.target,
        decision.shopify,
        decision.odoo,
    )


def _build(
    pair: Pair,
    name: str,
    state: str,
    reason: str | None,
    lines: Sequence[PlanLine],
    *,
    bases: tuple[Mapping[str, Value], Mapping[str, Value]] | None = None,
    archived: tuple[bool | None, bool | None] | None = None,
) -> PlannedPair:
    shopify_base, odoo_base = bases or (pair.shopify_base, pair.odoo_base)
    shopify_archived, odoo_archived = archived or (pair.shopify_archived, pair.odoo_archived)
    return PlannedPair(
        pair.id,
        pair.resource,
        state,
        reason,
        name,
        shopify_base,
        odoo_base,
        shopify_archived,
        odoo_archived,
        tuple(lines),
    )


def find_currency(
    shopify: tuple[KnownRecord | None, str | None], odoo: tuple[KnownRecord | None, str | None]
) -> str | None:
    """Return the currency of the amounts of two products; None where they differ or one is not known.

    Each side is given by its product and the currency of its account, which counts where the product tells none.
    """
    one, other = (known.record.currency or currency if known else currency for known, currency in (shopify, odoo))
    return one if one == other else None
