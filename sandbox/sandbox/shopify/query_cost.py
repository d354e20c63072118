"""Shopify's query cost: what a selection requests, by the schema alone, and what came of it, by the answer.

An object costs 1, a connection 2 + sized(N) times its node, a list 1 whatever its length, a mutation 10, a count under
the root 10; scalars nothing. Of an interface or union the dearest type is requested, and the one that came is paid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, log
from typing import Any

_FREE = {
    "MoneyV2", "MoneyBag", "LocationAddress", "ShopAddress", "Weight", "InventoryItemMeasurement", "ApiVersion",
    "WebhookSubscriptionEndpoint", "CollectionRuleSet", "CollectionRule", "CollectionRuleConditionObject", "PageInfo",
}  # fmt: skip
MUTATION, ROOT_COUNT = 10, 10


@dataclass(slots=True)
class Terms:
    """What decides a price besides the document: the coerced arguments of its fields, and how `nodes(ids:)` is
    charged.
    """

    args: Sequence[Mapping[str, Any]]
    linear_nodes: bool = False


class TypedDict(dict[str, Any]):
    """An answered object of an interface or union type: it remembers which type it is of, for its price."""

    __slots__ = ("typename",)

    def __init__(self, typename: str, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.typename = typename


def sized(number: int) -> int:
    """By how much a page of `number` multiplies the price of a node."""
    return max(1, floor(2 * log(number))) if number > 0 else 0


def own_price(parent: str, kind: str) -> int:
    """What a field of `parent` that answers `kind` costs, apart from what is selected in it."""
    if parent == "Mutation":
        return MUTATION
    if kind == "Count" and parent == "QueryRoot":
        return ROOT_COUNT
    return 0 if kind in _FREE or parent.endswith("Payload") else 1


@dataclass(slots=True)
class Selection:
    """What is selected in an object: fields that cost anything, by type for an interface or union."""

    by_type: dict[str, list["Priced | PricedConnection"]] = field(default_factory=dict)

    def requested(self, terms: Terms) -> int:
        """The price of the dearest type."""
        return max((sum(p.requested(terms) for p in fields) for fields in self.by_type.values()), default=0)

    def paid(self, answer: Mapping[str, Any], terms: Terms) -> int:
        """The price of what came."""
        fields = self.by_type.get(answer.typename) if isinstance(answer, TypedDict) else None
        if fields is None:
            return max((_paid(candidate, answer, terms) for candidate in self.by_type.values()), default=0)
        return _paid(fields, answer, terms)

    @property
    def constant(self) -> bool:
        """Whether every answer has the same price: one type, and in it objects and lists of scalars only."""
        return len(self.by_type) <= 1 and all(p.constant for fields in self.by_type.values() for p in fields)


def _paid(fields: list["Priced | PricedConnection"], answer: Mapping[str, Any], terms: Terms) -> int:
    return sum(p.paid(answer.get(p.key), terms) for p in fields)


@dataclass(slots=True)
class Priced:
    """A field that answers an object or a list of objects, under its response key.

    `arg` says where the ids of `nodes(ids:)` are, and is None for every other field. `steady` is the price of
    everything in it when no answer can change that, else None.
    """

    key: str
    own: int
    selection: Selection
    is_list: bool = False
    arg: int | None = None
    steady: int | None = None

    def __post_init__(self) -> None:
        if self.selection.constant and not any(self.selection.by_type.values()):
            self.steady = self.own

    @property
    def constant(self) -> bool:
        """Whether an answer of null, or of nothing, would cost the same."""
        return self.steady is not None

    def requested(self, terms: Terms) -> int:
        """The price by the text."""
        if self.arg is not None and terms.linear_nodes:
            return self.own + len(terms.args[self.arg]["ids"]) * self.selection.requested(terms)
        return self.own + self.selection.requested(terms)

    def paid(self, answer: Any, terms: Terms) -> int:
        """The price by the answer; of a list, its dearest item's."""
        if self.steady is not None or answer is None:
            return self.own
        if self.is_list:
            prices = [self.selection.paid(item, terms) for item in answer if item is not None]
            together = sum if self.arg is not None and terms.linear_nodes else max
            return self.own + (together(prices) if prices else 0)
        return self.own + self.selection.paid(answer, terms)


@dataclass(slots=True)
class PricedConnection:
    """A connection. `nodes` and `edges` are (response keys, selection of the node) where they are selected."""

    key: str
    arg: int
    nodes: list[tuple[str, Selection]] = field(default_factory=list)
    edges: list[tuple[str, str, Selection]] = field(default_factory=list)
    constant = False
    steady = None

    def _number(self, terms: Terms) -> int:
        asked = terms.args[self.arg]
        number = asked.get("first")
        return int(number if number is not None else asked.get("last") or 0)

    def requested(self, terms: Terms) -> int:
        """2, and each selection of the node as often as the page is `sized`."""
        factor = sized(self._number(terms))
        selections = [selection for _, selection in self.nodes] + [selection for _, _, selection in self.edges]
        return 2 + sum(factor * (1 + selection.requested(terms)) for selection in selections)

    def paid(self, answer: Any, terms: Terms) -> int:
        """As requested for a full page, in proportion for a part of one."""
        if answer is None:
            return 2
        number = self._number(terms)
        total = 2
        for key, selection in self.nodes:
            found = answer[key]
            total += _page_price(found, selection, number, terms) if found else sized(number)
        for key, inner, selection in self.edges:
            total += _page_price([edge[inner] for edge in answer[key]], selection, number, terms)
        return total


def _page_price(nodes: Sequence[Any], selection: Selection, number: int, terms: Terms) -> int:
    if not nodes or not number:
        return 0
    if selection.constant:
        total = len(nodes) * (1 + selection.paid(nodes[0] or {}, terms))
    else:
        total = sum(1 + selection.paid(node, terms) for node in nodes if node is not None)
    return -(-sized(number) * total // number)
