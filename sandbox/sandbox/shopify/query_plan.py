"""Compiles GraphQL documents into plans: nested Python functions with the results of graphql-core, but faster.

Plans execute queries that cause no errors. graphql-core itself executes mutations, introspection and failing queries,
because it reports the right position of each error. Plans and graphql-core call the same resolvers.
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
from sandbox.shopify.fields.context import Args, Context
from sandbox.shopify.fields.table import find_resolver
from sandbox.shopify.query_cost import ConnectionCost, FieldCost, SelectionCost, TypedObject, get_base_cost

Execute = Callable[[Any, Context], Any]
"""Computes the selected fields of an object, as a dictionary."""
_INTROSPECTION_FIELDS = frozenset({"__schema", "__type"})


@dataclass(slots=True)
class Plan:
    """A compiled GraphQL operation: `execute` computes the answer, `cost` what it costs in points.

    `execute` is None if only graphql-core can execute the operation, because it introspects the schema or selects a
    field without the required scope.
    """

    operation: OperationDefinitionNode
    cost: SelectionCost
    execute: Execute | None
    arguments: list[tuple[GraphQLField, FieldNode]]

    def coerce_arguments(self, variables: VariableValues) -> list[Args]:
        """Return the coerced arguments of every field that has any. `execute` and `cost` refer to them by index."""
        return [get_argument_values(definition, node, variables) for definition, node in self.arguments]


@dataclass(slots=True)
class Planner:
    """Compiles one GraphQL operation into a `Plan`.

    The plan holds for one set of granted scopes and one set of values of @include and @skip.
    """

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues
    scopes: frozenset[str]
    arguments: list[tuple[GraphQLField, FieldNode]] = field(default_factory=list)
    is_executable: bool = True

    def build_plan(self, operation: OperationDefinitionNode) -> Plan:
        """Build the plan of `operation`, which must be valid."""
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        execute, fields = self._compile_object(root, [operation.selection_set])
        cost = SelectionCost({root.name: fields})
        return Plan(operation, cost, execute if self.is_executable else None, self.arguments)

    def _compile_object(self, kind: GraphQLObjectType, sets: list[SelectionSetNode]) -> tuple[Execute, list[Any]]:
        """Compile the function that computes the fields that `sets` select in an object of type `kind`.

        Returns the function and the costs of these fields. The function consists of one dictionary expression, which is
        compiled from source text. Attributes are read in place, which is several times as fast as a function call for
        each. The source text contains only two things from a client: response keys, quoted by `repr`, and GraphQL
        names, which are valid Python names.
        """
        names: dict[str, Any] = {}
        entries, costs = [], []
        for key, nodes in self._collect_fields(kind, sets).items():
            source, cost = self._compile_field(kind, key, nodes, names)
            entries.append(f"{key!r}: {source}")
            if cost is not None:
                costs.append(cost)
        execute: Execute = eval(f"lambda o, c: {{{', '.join(entries)}}}", names)
        return execute, costs

    def _collect_fields(self, kind: GraphQLObjectType, sets: list[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """Collect the fields that `sets` select in an object of type `kind` by response key (alias or name).

        Fragments are resolved. Fields with the same response key are in one list.
        """
        fields: dict[str, list[FieldNode]] = {}
        visited: set[str] = set()
        for selections in sets:
            self._add_fields(kind, selections, fields, visited)
        return fields

    def _add_fields(
        self,
        kind: GraphQLObjectType,
        selections: SelectionSetNode,
        fields: dict[str, list[FieldNode]],
        visited: set[str],
    ) -> None:
        for node in selections.selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                fields.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._is_of_type(kind, node.type_condition.name.value):
                    self._add_fields(kind, node.selection_set, fields, visited)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in visited:
                visited.add(node.name.value)
                fragment = self.fragments[node.name.value]
                if self._is_of_type(kind, fragment.type_condition.name.value):
                    self._add_fields(kind, fragment.selection_set, fields, visited)

    def _is_included(self, node: Any) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        if skip is not None and skip["if"]:
            return False
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return include is None or bool(include["if"])

    def _is_of_type(self, kind: GraphQLObjectType, name: str) -> bool:
        """Return whether `kind` is the type `name`, or belongs to the interface or union `name`."""
        condition = self.schema.get_type(name)
        if isinstance(condition, GraphQLInterfaceType | GraphQLUnionType):
            return self.schema.is_sub_type(condition, kind)
        return condition is kind

    def _compile_field(
        self, kind: GraphQLObjectType, key: str, nodes: list[FieldNode], names: dict[str, Any]
    ) -> tuple[str, Any]:
        """Build the Python source text that computes the field with the response key `key` of an object of type `kind`.

        `nodes` are all selections of the field. The functions that the text calls are added to `names`. Returns the
        text and the cost of the field, or None for no cost.
        """
        name = nodes[0].name.value
        if name == "__typename":
            return repr(kind.name), None
        if name in _INTROSPECTION_FIELDS:
            self.is_executable = False
            return "None", self._build_introspection_cost(key, name, nodes)
        definition = kind.fields[name]
        if not access_scopes.can_read_field(kind.name, name, self.scopes):
            self.is_executable = False
        source, args_index = self._compile_read(kind, name, definition, nodes[0], key, names)
        returned = get_named_type(definition.type)
        sets = [node.selection_set for node in nodes if node.selection_set is not None]
        if not sets:
            return source, None
        execute, selection, connection = self._compile_selection(returned, sets, key, args_index)
        names[f"x_{key}"] = execute
        source = _build_completion(f"x_{key}", source, definition.type)
        if returned.name == "PageInfo":
            return source, None
        ids_index = args_index if (kind.name, name) == ("QueryRoot", "nodes") else None
        base = get_base_cost(kind.name, returned.name)
        return source, connection or FieldCost(key, base, selection, _is_list(definition.type), ids_index)

    def _compile_read(
        self,
        kind: GraphQLObjectType,
        name: str,
        definition: GraphQLField,
        node: FieldNode,
        key: str,
        names: dict[str, Any],
    ) -> tuple[str, int]:
        """Build the Python source text that reads a field: an attribute, or a call of the field's resolver.

        The resolver is added to `names`. Returns the text and the index of the field's arguments, or -1 for a field
        without arguments.
        """
        resolver = find_resolver(kind.name, name)
        args_index = -1
        if definition.args:
            args_index = len(self.arguments)
            self.arguments.append((definition, node))
        if isinstance(resolver, str):
            return f"o.{resolver}", args_index
        names[f"r_{key}"] = resolver
        call = f"r_{key}(o, c, c.args[{args_index}])" if definition.args else f"r_{key}(o, c)"
        return call, args_index

    def _compile_selection(
        self, kind: Any, sets: list[SelectionSetNode], key: str, args_index: int
    ) -> tuple[Execute, SelectionCost, ConnectionCost | None]:
        """Compile the function that computes what `sets` select in a field that returns the type `kind`.

        Returns the function, the cost of the selection and, if `kind` is a GraphQL connection, the cost of the
        connection. `key` is the response key of the field, `args_index` the index of its arguments.
        """
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            execute, selection = self._compile_abstract(kind, sets)
            return execute, selection, None
        execute, fields = self._compile_object(kind, sets)
        is_connection = kind.name.endswith("Connection")
        connection = self._build_connection_cost(kind, sets, fields, key, args_index) if is_connection else None
        return execute, SelectionCost({kind.name: fields}), connection

    def _compile_abstract(self, kind: Any, sets: list[SelectionSetNode]) -> tuple[Execute, SelectionCost]:
        """Compile the function that computes what `sets` select in a field that returns the interface or union `kind`.

        The resolver of the field returns a `TypedValue`. The function for the type of this value computes the object.
        Returns the function and the cost of the selection.
        """
        by_type: dict[str, Execute] = {}
        costs: dict[str, list[Any]] = {}
        for possible in self.schema.get_possible_types(kind):
            by_type[possible.name], costs[possible.name] = self._compile_object(possible, sets)

        def execute(value: Any, context: Context) -> TypedObject:
            return TypedObject(value.typename, by_type[value.typename](value.value, context))

        return execute, SelectionCost(costs)

    def _build_connection_cost(
        self, kind: GraphQLObjectType, sets: list[SelectionSetNode], fields: list[Any], key: str, args_index: int
    ) -> ConnectionCost:
        connection = ConnectionCost(key, args_index)
        by_key = {cost.key: cost for cost in fields}
        for response_key, nodes in self._collect_fields(kind, sets).items():
            cost = by_key.get(response_key)
            if cost is None:
                if nodes[0].name.value == "edges":
                    connection.edges.append((response_key, "", SelectionCost()))
            elif nodes[0].name.value == "nodes":
                connection.nodes.append((response_key, cost.selection))
            elif nodes[0].name.value == "edges":
                for inner in next(iter(cost.selection.by_type.values()), []):
                    connection.edges.append((response_key, inner.key, inner.selection))
        return connection

    def _build_introspection_cost(self, key: str, name: str, nodes: list[FieldNode]) -> FieldCost:
        sets = [node.selection_set for node in nodes if node.selection_set is not None]
        kind = self.schema.type_map["__Schema" if name == "__schema" else "__Type"]
        assert isinstance(kind, GraphQLObjectType)
        _, fields = self._compile_object(kind, sets)
        return FieldCost(key, 1, SelectionCost({kind.name: fields}))


def _is_list(kind: GraphQLOutputType) -> bool:
    bare = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    return isinstance(bare, GraphQLList)


def _build_completion(function: str, source: str, kind: GraphQLOutputType) -> str:
    """Build the source text that applies the function named `function` to the value of the expression `source`.

    `kind` is the type of the field. The function is applied to an object, or to each item of a list. null stays null
    where `kind` allows it.
    """
    is_nullable = not isinstance(kind, GraphQLNonNull)
    bare = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    if isinstance(bare, GraphQLList):
        call = f"{function}(v, c)"
        item = call if isinstance(bare.of_type, GraphQLNonNull) else f"None if v is None else {call}"
        if is_nullable:
            return f"(None if (w := {source}) is None else [{item} for v in w])"
        return f"([{item} for v in {source}])"
    return f"(None if (v := {source}) is None else {function}(v, c))" if is_nullable else f"{function}({source}, c)"


def collect_fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return the fragments that a document defines, by name."""
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
