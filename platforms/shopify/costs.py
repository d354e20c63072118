"""Computes how many points Shopify requests for a query before it runs, from the query's text and variables alone.

- A scalar costs nothing; an object or a list of objects costs 1.
- A GraphQL connection with `first: N` costs 2 + compute_page_factor(N) x the cost of one node.
- A count directly under the root costs 10.
- A mutation costs 10. The objects and lists directly in its payload cost nothing; what is selected in them does.
- Among fragments on different types, only the most expensive one counts.

The computation is right for the documents of our services; `FREE_FIELDS` lists the objects in these documents that cost
nothing. Every response contains the true cost, with which the session corrects its estimates.
"""

from collections.abc import Mapping
from math import floor, log
from typing import Any

from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
)

MAX_QUERY_COST = 1_000
"""The most points that one query may cost: Shopify refuses a query that costs more, whatever the shop's plan."""
FREE_FIELDS = frozenset(
    {"pageInfo", "amount", "maximumShippingPrice", "greaterThanOrEqualToSubtotal", "unitCost", "measurement", "weight"}
)
"""The fields of our documents whose objects cost nothing: their types are PageInfo, MoneyV2, InventoryItemMeasurement
and Weight."""
ROOT_COUNT_COST = 10
MUTATION_COST = 10

Variables = Mapping[str, Any]


def compute_page_factor(nodes: int) -> int:
    """Return the factor by which the cost of one node is multiplied for a page of `nodes` nodes."""
    return max(1, floor(2 * log(nodes))) if nodes > 0 else 0


def compute_query_cost(document: DocumentNode, variables: Variables) -> int:
    """Return how many points of the rate limit the only operation of `document` costs with these `variables`."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    calculator = _CostCalculator(fragments, variables)
    if operation.operation is OperationType.MUTATION:
        return calculator.compute_mutation_cost(operation.selection_set)
    return calculator.compute_selection_cost(operation.selection_set, root=True)


class _CostCalculator:
    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Variables) -> None:
        self._fragments = fragments
        self._variables = variables

    def compute_mutation_cost(self, mutations: SelectionSetNode) -> int:
        """Return the points that all mutations of a document cost, with what is selected in their payloads."""
        payloads = [node.selection_set for node in mutations.selections if isinstance(node, FieldNode)]
        return sum(MUTATION_COST + self._compute_payload_cost(payload) for payload in payloads if payload is not None)

    def _compute_payload_cost(self, payload: SelectionSetNode) -> int:
        fields = [node.selection_set for node in payload.selections if isinstance(node, FieldNode)]
        return sum(self.compute_selection_cost(inner) for inner in fields if inner is not None)

    def compute_selection_cost(self, selections: SelectionSetNode, *, root: bool = False) -> int:
        """Return the points that a selection of fields costs.

        They are the cost of all fields plus that of the most expensive type among the inline fragments. `root` says
        that the fields stand directly under the query.
        """
        total = 0
        by_type: dict[str, int] = {}
        for node in selections.selections:
            if not self._is_included(node):
                continue
            match node:
                case FieldNode():
                    total += self._compute_field_cost(node, root=root)
                case InlineFragmentNode(type_condition=condition):
                    type_name = condition.name.value if condition else ""
                    by_type[type_name] = by_type.get(type_name, 0) + self.compute_selection_cost(node.selection_set)
                case FragmentSpreadNode():
                    total += self.compute_selection_cost(self._fragments[node.name.value].selection_set)
        return total + max(by_type.values(), default=0)

    def _compute_field_cost(self, node: FieldNode, *, root: bool) -> int:
        if node.selection_set is None or node.name.value in FREE_FIELDS:
            return 0
        if root and node.name.value.endswith("Count"):
            return ROOT_COUNT_COST
        page = self._find_argument(node, "first")
        if page is None:
            return 1 + self.compute_selection_cost(node.selection_set)
        return 2 + compute_page_factor(page) * self._compute_node_cost(node.selection_set)

    def _compute_node_cost(self, connection: SelectionSetNode) -> int:
        """Return the cost of one node of a GraphQL connection. The node is under `edges`, directly or in a fragment."""
        total = 0
        for node in connection.selections:
            match node:
                case FieldNode(name=name, selection_set=SelectionSetNode() as inner) if name.value == "edges":
                    total += self.compute_selection_cost(inner)
                case FragmentSpreadNode():
                    total += self._compute_node_cost(self._fragments[node.name.value].selection_set)
                case _:
                    pass
        return total

    def _find_argument(self, node: FieldNode, name: str) -> int | None:
        for argument in node.arguments or ():
            if argument.name.value == name:
                value = self._resolve_value(argument.value)
                return int(value) if value is not None else None
        return None

    def _is_included(self, node: Any) -> bool:
        for directive in node.directives or ():
            if directive.name.value == "include":
                return bool(self._resolve_value(directive.arguments[0].value))
        return True

    def _resolve_value(self, node: object) -> Any:
        match node:
            case VariableNode():
                return self._variables.get(node.name.value)
            case IntValueNode():
                return int(node.value)
            case BooleanValueNode():
                return node.value
        return None
