"""Executes one GraphQL request as Shopify does.

The steps are: parse, validate, compute the cost, throttle, execute, refund the points that were not needed. Every
answer has the HTTP status 200, even if it contains errors.
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    validate,
)
from graphql.execution.values import VariableValues, get_variable_values

from sandbox.shopify import schema
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.fields.context import Context
from sandbox.shopify.graphql_answers import (
    build_cost,
    build_cost_exceeded,
    build_fake_warning,
    build_throttled,
    format_error,
)
from sandbox.shopify.mutations.tables import MUTATIONS
from sandbox.shopify.query_cost import CostParameters
from sandbox.shopify.query_plan import Plan, Planner, collect_fragments
from sandbox.shopify.rate_limit import MAXIMUM_COST
from sandbox.shopify.shops import get_current_time
from sandbox.shopify.tenants import Tenant

Body = dict[str, Any]
_CACHE_SIZE = 400


@dataclass(slots=True)
class GraphQLRequest:
    """A GraphQL request, with the API version that answers, the API key and the granted scopes of the app."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None
    version: str
    api_key: str
    scopes: frozenset[str]


@dataclass(slots=True)
class PreparedRequest:
    """A valid GraphQL request, ready for execution.

    It has the parsed document, the operation to execute, the plan (the compiled operation) and the parameters, on which
    the cost depends besides the query's text.
    """

    document: DocumentNode
    operation: OperationDefinitionNode
    plan: Plan
    parameters: CostParameters


class Engine:
    """Executes GraphQL requests of all shops. Callers may use it from any thread.

    It caches parsed queries and their plans (compiled operations). `public_url` is the URL of the sandbox.
    """

    def __init__(self, public_url: str = "") -> None:
        self._schema = schema.load_schema()
        self._public_url = public_url
        self._documents: OrderedDict[str, DocumentNode | list[Body]] = OrderedDict()
        self._plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()

    def execute(self, tenant: Tenant, request: GraphQLRequest, changes: ChangeSet) -> Body:
        """Execute `request` and return the JSON body of the answer.

        Mutations add their effects to `changes`. The caller holds the lock of the shop.
        """
        tenant.statistics.calls += 1
        prepared = self.prepare_request(request, linear_nodes=tenant.faults.nodes_cost == "linear")
        if isinstance(prepared, list):
            tenant.statistics.errors["invalid"] += 1
            return {"errors": prepared}
        _count_operation(tenant, prepared)
        requested = prepared.plan.cost.compute_requested(prepared.parameters)
        refusal = self._reserve_points(tenant, requested, is_write=is_write(prepared.operation))
        return refusal or self._execute(tenant, request, changes, prepared, requested)

    def is_write(self, request: GraphQLRequest) -> bool:
        """Return whether `request` is valid and executes a mutation of the shop's data."""
        prepared = self.prepare_request(request)
        return not isinstance(prepared, list) and is_write(prepared.operation)

    def execute_unthrottled(self, tenant: Tenant, request: GraphQLRequest, changes: ChangeSet) -> Body:
        """Execute `request` as a row of a bulk operation: without cost. Return `data`, and `errors` if there are any.

        The caller holds the lock of the shop.
        """
        prepared = self.prepare_request(request)
        if isinstance(prepared, list):
            return {"errors": prepared}
        context = self.build_context(tenant, request, changes, prepared.parameters)
        data, field_errors = self._compute_data(prepared, request, context)
        return {"data": data, "errors": field_errors} if field_errors else {"data": data}

    def prepare_request(self, request: GraphQLRequest, *, linear_nodes: bool = False) -> PreparedRequest | list[Body]:
        """Parse and validate `request`. Return it ready for execution, or the list of errors if it is invalid.

        With `linear_nodes`, the cost of the field `nodes(ids:)` grows with the number of ids; otherwise it is that of
        one id.
        """
        try:
            document = self._parse_document(request.query)
            if isinstance(document, list):
                return document
            operation = _choose_operation(document, request.operation_name)
            if isinstance(operation, list):
                return operation
            variables = get_variable_values(self._schema, operation.variable_definitions or (), request.variables)
            if isinstance(variables, list):
                return [format_error(error, "INVALID_VARIABLE") for error in variables]
            plan = self._get_plan(request, document, operation, variables)
            parameters = CostParameters(plan.coerce_arguments(variables), linear_nodes)
        except GraphQLError as error:
            return [format_error(error)]
        return PreparedRequest(document, operation, plan, parameters)

    def build_context(
        self, tenant: Tenant, request: GraphQLRequest, changes: ChangeSet, parameters: CostParameters
    ) -> Context:
        """Build the context in which the resolvers of one request run."""
        return Context(
            shop=tenant.shop,
            scopes=request.scopes,
            now=get_current_time(),
            api_key=request.api_key,
            version=request.version,
            subscriptions=tenant.subscriptions,
            changes=changes,
            faults=tenant.faults,
            statistics=tenant.statistics,
            schedule=tenant.work.schedule,
            attempts=tenant.attempts,
            bulk=tenant.bulk,
            schema=self._schema,
            public_url=self._public_url,
            args=[dict(args) for args in parameters.args],
        )

    def _parse_document(self, text: str) -> DocumentNode | list[Body]:
        cached = self._documents.get(text)
        if cached is None:
            document = parse(text)
            problems = validate(self._schema, document, hide_suggestions=True)
            cached = [format_error(error) for error in problems] or document
            _cache(self._documents, text, cached)
        return cached

    def _get_plan(
        self,
        request: GraphQLRequest,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: VariableValues,
    ) -> Plan:
        # Only boolean variables can decide about @include and @skip, so only they make a plan differ.
        switches = tuple((name, value) for name, value in variables.coerced.items() if isinstance(value, bool))
        key = (request.query, request.operation_name, request.scopes, switches)
        plan = self._plans.get(key)
        if plan is None:
            plan = Planner(self._schema, collect_fragments(document), variables, request.scopes).build_plan(operation)
            _cache(self._plans, key, plan)
        return plan

    def _reserve_points(self, tenant: Tenant, requested: int, *, is_write: bool) -> Body | None:
        """Take the `requested` points from the leaky bucket that is the shop's rate limit.

        Returns None on success. If the query is too expensive or throttled, returns the body that refuses it.
        """
        if requested > MAXIMUM_COST:
            tenant.statistics.errors["MAX_COST_EXCEEDED"] += 1
            return build_cost_exceeded(requested, tenant.bucket.build_throttle_status())
        is_throttled = tenant.faults.use_up_fault("throttle_calls")
        is_throttled = is_throttled or (is_write and tenant.faults.use_up_fault("throttle_writes"))
        if is_throttled or not tenant.bucket.reserve_points(requested):
            tenant.statistics.throttled += 1
            return build_throttled(requested, tenant.bucket.build_throttle_status())
        return None

    def _execute(
        self,
        tenant: Tenant,
        request: GraphQLRequest,
        changes: ChangeSet,
        prepared: PreparedRequest,
        requested: int,
    ) -> Body:
        context = self.build_context(tenant, request, changes, prepared.parameters)
        data, field_errors = self._compute_data(prepared, request, context)
        if tenant.faults.unknown_forms and data is not None:
            _replace_unknown_forms(data, tenant.faults.unknown_forms)
        actual = prepared.plan.cost.compute_actual(data, prepared.parameters) if data is not None else 0
        tenant.bucket.refund_points(requested - actual)
        tenant.statistics.points_requested += requested
        tenant.statistics.points_spent += actual
        tenant.statistics.errors.update(error["extensions"].get("code", "other") for error in field_errors)
        body: Body = {"data": data}
        if field_errors:
            body["errors"] = field_errors
        status = tenant.bucket.build_throttle_status()
        body["extensions"] = {"cost": build_cost(max(requested, actual), actual, status)}
        if context.search or tenant.faults.search_warnings:
            body["extensions"]["search"] = context.search or [build_fake_warning(prepared.operation)]
        return body

    def _compute_data(
        self, prepared: PreparedRequest, request: GraphQLRequest, context: Context
    ) -> tuple[Body | None, list[Body]]:
        """Execute the operation, and return `data` and `errors` of the answer.

        `data` is None if an error of a required field makes the whole answer null.
        """
        plan = prepared.plan
        if plan.execute is not None and plan.operation.operation is OperationType.QUERY:
            try:
                return plan.execute(None, context), []
            except GraphQLError:
                # A plan cannot tell which field failed. graphql-core can, so the query is executed again below.
                context.search.clear()
        result = execute(
            self._schema, prepared.document, None, context, request.variables, request.operation_name,
        )  # fmt: skip
        assert isinstance(result, ExecutionResult)
        return result.data, [format_error(error) for error in result.errors or ()]


def _replace_unknown_forms(data: Body, gids: Collection[str]) -> None:
    """Replace the requested nodes whose gids are in `gids` by nodes of a type that the schema does not have."""
    nodes = data.get("nodes") or []
    for index, node in enumerate(nodes):
        if node is not None and node.get("id") in gids:
            nodes[index] = {"__typename": "Novelty", "id": node["id"]}


def _cache(cache: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    if len(cache) > _CACHE_SIZE:
        cache.popitem(last=False)


def _choose_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | list[Body]:
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    matches = [d for d in operations if name is None or (d.name is not None and d.name.value == name)]
    if len(matches) != 1:
        message = f'No operation named "{name}"' if name else "An operation name is required"
        return [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]
    return matches[0]


def is_write(operation: OperationDefinitionNode) -> bool:
    """Return whether an operation has a mutation of the shop's data. Those of webhook subscriptions are none."""
    selections = operation.selection_set.selections
    return operation.operation is OperationType.MUTATION and any(
        isinstance(selection, FieldNode) and selection.name.value in MUTATIONS for selection in selections
    )


def _count_operation(tenant: Tenant, prepared: PreparedRequest) -> None:
    statistics, operation = tenant.statistics, prepared.operation
    statistics.operations[operation.name.value if operation.name else "anonymous"] += 1
    statistics.ids_read += sum(
        len(args["ids"]) for args in prepared.parameters.args if isinstance(args.get("ids"), list)
    )
    for selection in operation.selection_set.selections:
        name = getattr(selection, "name", None)
        statistics.root_fields[name.value if name is not None else "..."] += 1
