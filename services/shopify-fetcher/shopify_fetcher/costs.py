"""What the platform asks for a document before it starts, from the text and the variables alone.

Scalars cost nothing, an object or a list of objects 1, a connection 2 + sized(N) x (1 + node), a count under the root
10, and of fragments on different types the dearest. It holds for the documents of this service, whose free objects are
named below; every answer says the true price, which is learned.
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

MAXIMUM = 1_000
"""Above this no single document is executed, on any plan."""
FREE = frozenset({"pageInfo", "amount", "maximumShippingPrice", "greaterThanOrEqualToSubtotal"})
"""Fields of ours that answer objects of types which cost nothing: PageInfo and MoneyV2."""
ROOT_COUNT = 10

Variables = Mapping[str, Any]


def sized(number: int) -> int:
    """By how much a page of `number` multiplies the price of its nodes."""
    return max(1, floor(2 * log(number))) if number > 0 else 0


def requested(document: DocumentNode, variables: Variables) -> int:
    """The points of the document's one operation with these variables."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    return _Prices(fragments, variables).selection(operation.selection_set, root=True)


class _Prices:
    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Variables) -> None:
        self._fragments = fragments
        self._variables = variables

    def selection(self, selections: SelectionSetNode, *, root: bool = False) -> int:
        """The fields' own prices, and the dearest of the types that fragments name."""
        total = 0
        by_type: dict[str, int] = {}
        for node in selections.selections:
            if not self._included(node):
                continue
            match node:
                case FieldNode():
                    total += self._field(node, root=root)
                case InlineFragmentNode(type_condition=condition):
                    kind = condition.name.value if condition else ""
                    by_type[kind] = by_type.get(kind, 0) + self.selection(node.selection_set)
                case FragmentSpreadNode():
                    total += self.selection(self._fragments[node.name.value].selection_set)
        return total + max(by_type.values(), default=0)

    def _field(self, node: FieldNode, *, root: bool) -> int:
        if node.selection_set is None or node.name.value in FREE:
            return 0
        if root and node.name.value.endswith("Count"):
            return ROOT_COUNT
        page = self._argument(node, "first")
        if page is None:
            return 1 + self.selection(node.selection_set)
        return 2 + sized(page) * self._node(node.selection_set)

    def _node(self, connection: SelectionSetNode) -> int:
        """The price of one node of a connection, which lies under `edges`, perhaps behind a fragment."""
        total = 0
        for node in connection.selections:
            match node:
                case FieldNode(name=name, selection_set=SelectionSetNode() as inner) if name.value == "edges":
                    total += self.selection(inner)
                case FragmentSpreadNode():
                    total += self._node(self._fragments[node.name.value].selection_set)
                case _:
                    pass
        return total

    def _argument(self, node: FieldNode, name: str) -> int | None:
        for argument in node.arguments or ():
            if argument.name.value == name:
                value = self._value(argument.value)
                return int(value) if value is not None else None
        return None

    def _included(self, node: Any) -> bool:
        for directive in node.directives or ():
            if directive.name.value == "include":
                return bool(self._value(directive.arguments[0].value))
        return True

    def _value(self, node: object) -> Any:
        match node:
            case VariableNode():
                return self._variables.get(node.name.value)
            case IntValueNode():
                return int(node.value)
            case BooleanValueNode():
                return node.value
        return None
