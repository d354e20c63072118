"""Executable plans: a document compiled once into nested functions, which answer what graphql-core's executor would.

A plan serves documents that execute without errors. What fails, or changes something, or asks for the schema itself is
left to graphql-core, which knows where errors go; both call the same resolvers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLSkipDirective,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)
from graphql.execution.values import VariableValues, get_argument_values, get_directive_values

from sandbox.shopify import access_scopes
from sandbox.shopify.fields import resolver
from sandbox.shopify.fields.context import Args, Context
from sandbox.shopify.query_cost import Priced, PricedConnection, Selection, TypedDict, own_price

Answer = Callable[[Any, Context], Any]
_LEAVE_OUT = frozenset({"__schema", "__type"})


@dataclass(slots=True)
class Plan:
    """A compiled operation. `answer` is None where only graphql-core can execute it (introspection, a denied field)."""

    operation: OperationDefinitionNode
    price: Selection
    answer: Answer | None
    arguments: list[tuple[GraphQLField, FieldNode]]

    def coerce(self, variables: VariableValues) -> list[Args]:
        """The arguments of all fields, in the order in which `answer` and `price` look for them."""
        return [get_argument_values(definition, node, variables) for definition, node in self.arguments]


@dataclass(slots=True)
class Planner:
    """Compiles one operation for one set of granted scopes and one choice of @include and @skip."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues
    scopes: frozenset[str]
    arguments: list[tuple[GraphQLField, FieldNode]] = field(default_factory=list)
    executable: bool = True

    def plan(self, operation: OperationDefinitionNode) -> Plan:
        """The plan of `operation`, which must be valid."""
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        answer, fields = self._object(root, [operation.selection_set])
        return Plan(operation, Selection({root.name: fields}), answer if self.executable else None, self.arguments)

    def _object(self, kind: GraphQLObjectType, sets: list[SelectionSetNode]) -> tuple[Answer, list[Any]]:
        """A function that answers an object of `kind`, and the prices of its fields.

        The function is one dictionary display, built as source text: attribute reads in place are several times as fast
        as a call for each. Names in it are GraphQL names and attribute names, so nothing needs quoting beyond repr.
        """
        names: dict[str, Any] = {}
        parts, prices = [], []
        for key, nodes in self._collect(kind, sets).items():
            source, price = self._field(kind, key, nodes, names)
            parts.append(f"{key!r}: {source}")
            if price is not None:
                prices.append(price)
        answer: Answer = eval(f"lambda o, c: {{{', '.join(parts)}}}", names)
        return answer, prices

    def _collect(self, kind: GraphQLObjectType, sets: list[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        found: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for selections in sets:
            self._gather(kind, selections, found, seen)
        return found

    def _gather(
        self, kind: GraphQLObjectType, selections: SelectionSetNode, found: dict[str, list[FieldNode]], seen: set[str]
    ) -> None:
        for node in selections.selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                found.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._applies(kind, node.type_condition.name.value):
                    self._gather(kind, node.selection_set, found, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self.fragments[node.name.value]
                if self._applies(kind, fragment.type_condition.name.value):
                    self._gather(kind, fragment.selection_set, found, seen)

    def _included(self, node: Any) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        if skip is not None and skip["if"]:
            return False
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return include is None or bool(include["if"])

    def _applies(self, kind: GraphQLObjectType, name: str) -> bool:
        condition = self.schema.get_type(name)
        if isinstance(condition, GraphQLInterfaceType | GraphQLUnionType):
            return self.schema.is_sub_type(condition, kind)
        return condition is kind

    def _field(
        self, kind: GraphQLObjectType, key: str, nodes: list[FieldNode], names: dict[str, Any]
    ) -> tuple[str, Any]:
        name = nodes[0].name.value
        if name == "__typename":
            return repr(kind.name), None
        if name in _LEAVE_OUT:
            self.executable = False
            return "None", self._introspection_price(key, name, nodes)
        definition = kind.fields[name]
        if not access_scopes.allowed(kind.name, name, self.scopes):
            self.executable = False
        source, arg = self._read(kind, name, definition, nodes[0], key, names)
        named = get_named_type(definition.type)
        sets = [node.selection_set for node in nodes if node.selection_set is not None]
        if not sets:
            return source, None
        complete, selection, connection = self._complete(named, sets, key, arg)
        names[f"x_{key}"] = complete
        ids = arg if (kind.name, name) == ("QueryRoot", "nodes") else None
        price = connection or Priced(key, own_price(kind.name, named.name), selection, _is_list(definition.type), ids)
        return _completed(f"x_{key}", source, definition.type), price if named.name != "PageInfo" else None

    def _read(
        self,
        kind: GraphQLObjectType,
        name: str,
        definition: GraphQLField,
        node: FieldNode,
        key: str,
        names: dict[str, Any],
    ) -> tuple[str, int]:
        found = resolver(kind.name, name)
        arg = -1
        if definition.args:
            arg = len(self.arguments)
            self.arguments.append((definition, node))
        if isinstance(found, str):
            return f"o.{found}", arg
        names[f"r_{key}"] = found
        return (f"r_{key}(o, c, c.args[{arg}])" if definition.args else f"r_{key}(o, c)"), arg

    def _complete(
        self, kind: Any, sets: list[SelectionSetNode], key: str, arg: int
    ) -> tuple[Answer, Selection, PricedConnection | None]:
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            answer, selection = self._abstract(kind, sets)
            return answer, selection, None
        answer, fields = self._object(kind, sets)
        selection = Selection({kind.name: fields})
        return (
            answer,
            selection,
            self._connection(kind, sets, fields, key, arg) if kind.name.endswith("Connection") else None,
        )

    def _abstract(self, kind: Any, sets: list[SelectionSetNode]) -> tuple[Answer, Selection]:
        answers: dict[str, Answer] = {}
        prices: dict[str, list[Any]] = {}
        for possible in self.schema.get_possible_types(kind):
            answers[possible.name], prices[possible.name] = self._object(possible, sets)

        def answer(value: Any, c: Context) -> TypedDict:
            return TypedDict(value.typename, answers[value.typename](value.value, c))

        return answer, Selection(prices)

    def _connection(
        self, kind: GraphQLObjectType, sets: list[SelectionSetNode], fields: list[Any], key: str, arg: int
    ) -> PricedConnection:
        connection = PricedConnection(key, arg)
        by_key = {price.key: price for price in fields}
        for response, nodes in self._collect(kind, sets).items():
            price = by_key.get(response)
            if price is None:
                if nodes[0].name.value == "edges":
                    connection.edges.append((response, "", Selection()))
            elif nodes[0].name.value == "nodes":
                connection.nodes.append((response, price.selection))
            elif nodes[0].name.value == "edges":
                for inner in next(iter(price.selection.by_type.values()), []):
                    connection.edges.append((response, inner.key, inner.selection))
        return connection

    def _introspection_price(self, key: str, name: str, nodes: list[FieldNode]) -> Priced:
        sets = [node.selection_set for node in nodes if node.selection_set is not None]
        return Priced(key, 1, self._introspected(name, sets))

    def _introspected(self, name: str, sets: list[SelectionSetNode]) -> Selection:
        kind = self.schema.type_map["__Schema" if name == "__schema" else "__Type"]
        assert isinstance(kind, GraphQLObjectType)
        _, fields = self._object(kind, sets)
        return Selection({kind.name: fields})


def _is_list(kind: GraphQLOutputType) -> bool:
    bare = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    return isinstance(bare, GraphQLList)


def _completed(function: str, source: str, kind: GraphQLOutputType) -> str:
    """The source text that answers what `source` reads, an object, a list or null, through `function`."""
    nullable = not isinstance(kind, GraphQLNonNull)
    bare = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    if isinstance(bare, GraphQLList):
        item = (
            f"{function}(v, c)"
            if isinstance(bare.of_type, GraphQLNonNull)
            else f"None if v is None else {function}(v, c)"
        )
        listed = (
            f"[{item} for v in {source}]"
            if not nullable
            else f"None if (w := {source}) is None else [{item} for v in w]"
        )
        return f"({listed})"
    return f"{function}({source}, c)" if not nullable else f"(None if (v := {source}) is None else {function}(v, c))"


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The fragments that a document defines, by name."""
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
