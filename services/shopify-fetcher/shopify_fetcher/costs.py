"""The points that the platform requests for a query before it runs, from its text and its variables alone.

Scalars cost nothing, an object or a list of objects 1, a connection 2 + compute_page_factor(N) x (1 + node), a count
under the root 10, and of fragments on different types the most expensive counts. This holds for the queries of this
service, whose free objects are listed below; every response tells the true cost, from which the session learns.
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
    SelectionSetNode,
    VariableNode,
)

MAX_QUERY_COST = 1_000
"""No query that costs more is executed, on any plan."""
FREE_FIELDS = frozenset({"pageInfo", "amount", "maximumShippingPrice", "greaterThanOrEqualToSubtotal"})
"""Fields in our queries whose objects cost nothing: those of the types PageInfo and MoneyV2."""
ROOT_COUNT_COST = 10

Variables = Mapping[str, Any]


def compute_page_factor(nodes: int) -> int:
    """Return by how much a page of `nodes` multiplies the cost of one node."""
    return max(1, floor(2 * log(nodes))) if nodes > 0 else 0


def compute_query_cost(document: DocumentNode, variables: Variables) -> int:
    """Return the points of the document's one operation with these variables."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return _CostCalculator(fragments, variables).compute_selection_cost(operation.selection_set, root=True)


class _CostCalculator:
    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Variables) -> None:
        self._fragments = fragments
        self._variables = variables

    def compute_selection_cost(self, selections: SelectionSetNode, *, root: bool = False) -> int:
        """Return the cost of the fields, and of the most expensive type among the fragments."""
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
        """Return the cost of one node of a connection, which lies under `edges`, perhaps behind a fragment."""
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
