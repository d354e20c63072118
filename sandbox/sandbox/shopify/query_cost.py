"""Shopify's query cost in points.

The requested cost depends on the query alone, the actual cost also on the answer. The rules: an object costs 1. A
connection costs 2, plus the cost of its node times a factor for the page size. A list costs 1, whatever its length. A
mutation costs 10, and so does a count under the query root. Scalars cost nothing. For an interface or union, the
requested cost is that of the most expensive type, and the actual cost is that of the returned type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, log
from typing import Any

_FREE_TYPES = {
    "MoneyV2", "MoneyBag", "LocationAddress", "ShopAddress", "Weight", "InventoryItemMeasurement", "ApiVersion",
    "WebhookSubscriptionEndpoint", "CollectionRuleSet", "CollectionRule", "CollectionRuleConditionObject", "PageInfo",
}  # fmt: skip
_MUTATION_COST, _ROOT_COUNT_COST, _CONNECTION_COST = 10, 10, 2


@dataclass(slots=True)
class CostParameters:
    """What the cost of a query depends on besides the query's text.

    `args` are the coerced arguments of each field that has any. With `linear_nodes`, the cost of the field
    `nodes(ids:)` grows with the number of ids; otherwise it is that of one id.
    """

    args: Sequence[Mapping[str, Any]]
    linear_nodes: bool = False


class TypedObject(dict[str, Any]):
    """An object of an interface or union type in an answer. `typename` is its concrete type, which decides its cost."""

    __slots__ = ("typename",)

    def __init__(self, typename: str, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.typename = typename


def compute_page_factor(size: int) -> int:
    """Compute the factor by which the cost of a node is multiplied for a page of `size` nodes."""
    return max(1, floor(2 * log(size))) if size > 0 else 0


def get_base_cost(parent: str, kind: str) -> int:
    """Return the cost of a field alone, without the fields that are selected in it.

    `parent` is the type that has the field, `kind` the type that the field returns.
    """
    if parent == "Mutation":
        return _MUTATION_COST
    if kind == "Count" and parent == "QueryRoot":
        return _ROOT_COUNT_COST
    return 0 if kind in _FREE_TYPES or parent.endswith("Payload") else 1


@dataclass(slots=True)
class SelectionCost:
    """The cost of the fields that are selected in an object.

    `by_type` has the costs for each concrete type that the object may have. Fields that cost nothing are left out.
    """

    by_type: dict[str, list["FieldCost | ConnectionCost"]] = field(default_factory=dict)

    def compute_requested(self, parameters: CostParameters) -> int:
        """Compute the requested cost of the selected fields: that for the most expensive type the object may have."""
        costs = (sum(cost.compute_requested(parameters) for cost in fields) for fields in self.by_type.values())
        return max(costs, default=0)

    def compute_actual(self, answer: Mapping[str, Any], parameters: CostParameters) -> int:
        """Compute the actual cost of the selected fields for the object `answer`."""
        fields = self.by_type.get(answer.typename) if isinstance(answer, TypedObject) else None
        if fields is None:
            return max((_sum_actual(candidate, answer, parameters) for candidate in self.by_type.values()), default=0)
        return _sum_actual(fields, answer, parameters)

    @property
    def is_constant(self) -> bool:
        """Whether every answer costs the same.

        This is so if the object can have only one type, and the objects that are selected in it contain only scalars.
        """
        return len(self.by_type) <= 1 and all(cost.is_constant for fields in self.by_type.values() for cost in fields)


def _sum_actual(
    fields: list["FieldCost | ConnectionCost"], answer: Mapping[str, Any], parameters: CostParameters
) -> int:
    return sum(cost.compute_actual(answer.get(cost.key), parameters) for cost in fields)


@dataclass(slots=True)
class FieldCost:
    """The cost of a field that returns an object or a list of objects.

    - `key`: the response key of the field (its alias or name).
    - `base`: the cost of the field alone, without its selection.
    - `selection`: the cost of the fields that are selected in the object or in each object of the list.
    - `ids_index`: the index of the arguments of `nodes(ids:)` in `CostParameters.args`; None for any other field.
    - `fixed`: the cost of the field with its selection if it is the same for every answer, else None.
    """

    key: str
    base: int
    selection: SelectionCost
    is_list: bool = False
    ids_index: int | None = None
    fixed: int | None = None

    def __post_init__(self) -> None:
        if self.selection.is_constant and not any(self.selection.by_type.values()):
            self.fixed = self.base

    @property
    def is_constant(self) -> bool:
        """Whether the cost is the same for every answer, including null and an empty list."""
        return self.fixed is not None

    def compute_requested(self, parameters: CostParameters) -> int:
        """Compute the requested cost of the field with its selection. It does not depend on the answer."""
        if self.ids_index is not None and parameters.linear_nodes:
            count = len(parameters.args[self.ids_index]["ids"])
            return self.base + count * self.selection.compute_requested(parameters)
        return self.base + self.selection.compute_requested(parameters)

    def compute_actual(self, answer: Any, parameters: CostParameters) -> int:
        """Compute the actual cost of the field, whose value is `answer`.

        The cost of a list is that of its most expensive item. With `linear_nodes`, the costs of all items of
        `nodes(ids:)` are added instead.
        """
        if self.fixed is not None or answer is None:
            return self.base
        if self.is_list:
            costs = [self.selection.compute_actual(item, parameters) for item in answer if item is not None]
            combine = sum if self.ids_index is not None and parameters.linear_nodes else max
            return self.base + (combine(costs) if costs else 0)
        return self.base + self.selection.compute_actual(answer, parameters)


@dataclass(slots=True)
class ConnectionCost:
    """The cost of a GraphQL connection (a list that is read in pages).

    - `key`: the response key of the connection (its alias or name).
    - `args_index`: the index of the connection's arguments in `CostParameters.args`.
    - `nodes`: for each selection of `nodes`, its response key and the cost of what is selected in a node.
    - `edges`: for each selection of `edges`, the response keys of `edges` and of `node`, and the cost of what is
      selected in a node.
    """

    key: str
    args_index: int
    nodes: list[tuple[str, SelectionCost]] = field(default_factory=list)
    edges: list[tuple[str, str, SelectionCost]] = field(default_factory=list)
    is_constant = False

    def _get_page_size(self, parameters: CostParameters) -> int:
        args = parameters.args[self.args_index]
        first = args.get("first")
        return int(first if first is not None else args.get("last") or 0)

    def compute_requested(self, parameters: CostParameters) -> int:
        """Compute the requested cost of the connection, which is that of a full page."""
        factor = compute_page_factor(self._get_page_size(parameters))
        selections = [selection for _, selection in self.nodes] + [selection for _, _, selection in self.edges]
        return _CONNECTION_COST + sum(
            factor * (1 + selection.compute_requested(parameters)) for selection in selections
        )

    def compute_actual(self, answer: Any, parameters: CostParameters) -> int:
        """Compute the actual cost of the connection, whose value is `answer`.

        A full page costs what was requested. A shorter page costs less, in proportion to its length.
        """
        if answer is None:
            return _CONNECTION_COST
        size = self._get_page_size(parameters)
        total = _CONNECTION_COST
        for key, selection in self.nodes:
            nodes = answer[key]
            # In Shopify's answers an empty page under `nodes` costs the factor of its size, one under `edges` nothing.
            total += _compute_page_cost(nodes, selection, size, parameters) if nodes else compute_page_factor(size)
        for key, node_key, selection in self.edges:
            total += _compute_page_cost([edge[node_key] for edge in answer[key]], selection, size, parameters)
        return total


def _compute_page_cost(nodes: Sequence[Any], selection: SelectionCost, size: int, parameters: CostParameters) -> int:
    if not nodes or not size:
        return 0
    if selection.is_constant:
        total = len(nodes) * (1 + selection.compute_actual(nodes[0] or {}, parameters))
    else:
        total = sum(1 + selection.compute_actual(node, parameters) for node in nodes if node is not None)
    return -(-compute_page_factor(size) * total // size)
