"""One GraphQL request: parse, validate, price, throttle, execute, refund; Shopify's answer to it, in every case HTTP
200.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    validate,
)
from graphql.execution.values import VariableValues, get_variable_values

from sandbox.shopify import schema
from sandbox.shopify.edits import Ledger
from sandbox.shopify.errors import FieldFailure
from sandbox.shopify.fields.context import Context
from sandbox.shopify.query_cost import Terms
from sandbox.shopify.query_plan import Plan, Planner, fragments_of
from sandbox.shopify.rate_limit import MAXIMUM_COST
from sandbox.shopify.shops import now
from sandbox.shopify.tenants import Tenant

Body = dict[str, Any]
_CACHED = 400
_UNDEFINED = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")


@dataclass(slots=True)
class Request:
    """A GraphQL request as it was sent, and to which version."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None
    version: str
    api_key: str
    scopes: frozenset[str]


class Engine:
    """Executes requests. Documents and plans are cached by their text; all methods may run in any thread."""

    def __init__(self) -> None:
        self._schema = schema.load()
        self._documents: OrderedDict[str, DocumentNode | list[GraphQLError]] = OrderedDict()
        self._plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()

    def answer(self, tenant: Tenant, request: Request, ledger: Ledger) -> Body:
        """The answer to `request`. The caller holds the shop's lock; what a mutation changes is in `ledger`."""
        tenant.statistics.calls += 1
        try:
            document = self._document(request.query)
            operation = _operation(document, request.operation_name)
            variables = self._variables(operation, request.variables)
            plan = self._plan(request, document, operation, variables)
            terms = Terms(plan.coerce(variables), tenant.faults.nodes_cost == "linear")
        except _Invalid as invalid:
            tenant.statistics.errors["invalid"] += 1
            return {"errors": invalid.errors}
        except GraphQLError as error:
            tenant.statistics.errors["invalid"] += 1
            return {"errors": [_formatted(error)]}
        _count(tenant, operation, terms)
        requested = plan.price.requested(terms)
        refused = self._refused(tenant, requested)
        return refused or self._execute(tenant, request, ledger, document, plan, terms, requested)

    def _document(self, text: str) -> DocumentNode:
        found = self._documents.get(text)
        if found is None:
            document = parse(text)
            errors = validate(self._schema, document, hide_suggestions=True)
            found = _keep(self._documents, text, errors or document)
        if isinstance(found, list):
            raise _Invalid([_formatted(error) for error in found])
        return found

    def _variables(self, operation: OperationDefinitionNode, given: dict[str, Any]) -> VariableValues:
        values = get_variable_values(self._schema, operation.variable_definitions or (), given)
        if isinstance(values, list):
            raise _Invalid([_formatted(error, "INVALID_VARIABLE") for error in values])
        return values

    def _plan(
        self, request: Request, document: DocumentNode, operation: OperationDefinitionNode, variables: VariableValues
    ) -> Plan:
        switches = tuple((name, value) for name, value in variables.coerced.items() if isinstance(value, bool))
        key = (request.query, request.operation_name, request.scopes, switches)
        found = self._plans.get(key)
        if found is None:
            planner = Planner(self._schema, fragments_of(document), variables, request.scopes)
            found = _keep(self._plans, key, planner.plan(operation))
        return found

    def _refused(self, tenant: Tenant, requested: int) -> Body | None:
        status = tenant.bucket.status
        if requested > MAXIMUM_COST:
            tenant.statistics.errors["MAX_COST_EXCEEDED"] += 1
            return _too_dear(requested, status())
        if tenant.faults.spend("throttle_calls") or not tenant.bucket.reserve(requested):
            tenant.statistics.throttled += 1
            return _throttled(requested, status())
        return None

    def _execute(
        self,
        tenant: Tenant,
        request: Request,
        ledger: Ledger,
        document: DocumentNode,
        plan: Plan,
        terms: Terms,
        requested: int,
    ) -> Body:
        context = _context(tenant, request, ledger, terms)
        data, errors = self._data(document, plan, request, context)
        spent = plan.price.paid(data, terms) if data is not None else 0
        tenant.bucket.refund(requested - spent)
        tenant.statistics.points_requested += requested
        tenant.statistics.points_spent += spent
        tenant.statistics.errors.update(error["extensions"].get("code", "other") for error in errors)
        body: Body = {"data": data}
        if errors:
            body["errors"] = errors
        body["extensions"] = {"cost": _cost(max(requested, spent), spent, tenant.bucket.status())}
        if context.search or tenant.faults.search_warnings:
            body["extensions"]["search"] = context.search or [_made_up_warning(plan.operation)]
        return body

    def _data(
        self, document: DocumentNode, plan: Plan, request: Request, context: Context
    ) -> tuple[Body | None, list[Body]]:
        if plan.answer is not None and plan.operation.operation is OperationType.QUERY:
            try:
                return plan.answer(None, context), []
            except FieldFailure:
                context.search.clear()
        result = execute(
            self._schema, document, None, context, request.variables, request.operation_name,
        )  # fmt: skip
        assert isinstance(result, ExecutionResult)
        return result.data, [_formatted(error) for error in result.errors or ()]


def _context(tenant: Tenant, request: Request, ledger: Ledger, terms: Terms) -> Context:
    return Context(
        shop=tenant.shop,
        scopes=request.scopes,
        now=now(),
        api_key=request.api_key,
        version=request.version,
        subscriptions=tenant.subscriptions,
        ledger=ledger,
        faults=tenant.faults,
        args=[dict(args) for args in terms.args],
    )


class _Invalid(Exception):
    """A document or variables that cannot be executed at all."""

    def __init__(self, errors: list[Body]) -> None:
        super().__init__("invalid")
        self.errors = errors


def _keep(cache: OrderedDict[Any, Any], key: Any, value: Any) -> Any:
    cache[key] = value
    if len(cache) > _CACHED:
        cache.popitem(last=False)
    return value


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    named = [d for d in found if name is None or (d.name is not None and d.name.value == name)]
    if len(named) != 1:
        message = f'No operation named "{name}"' if name else "An operation name is required"
        raise _Invalid([{"message": message, "extensions": {"code": "BAD_REQUEST"}}])
    return named[0]


def _count(tenant: Tenant, operation: OperationDefinitionNode, terms: Terms) -> None:
    statistics = tenant.statistics
    statistics.operations[operation.name.value if operation.name else "anonymous"] += 1
    statistics.ids_read += sum(len(args["ids"]) for args in terms.args if isinstance(args.get("ids"), list))
    for selection in operation.selection_set.selections:
        name = getattr(selection, "name", None)
        statistics.root_fields[name.value if name is not None else "..."] += 1


def _formatted(error: GraphQLError, code: str = "BAD_REQUEST") -> Body:
    undefined = _UNDEFINED.match(error.message)
    message = f"Field '{undefined[1]}' doesn't exist on type '{undefined[2]}'" if undefined else error.message
    body: Body = {"message": message}
    if error.locations:
        body["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        body["path"] = error.path
    body["extensions"] = error.extensions or {"code": "undefinedField" if undefined else code}
    return body


def _cost(requested: int, actual: int | None, status: dict[str, int]) -> Body:
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}


def _throttled(requested: int, status: dict[str, int]) -> Body:
    extensions = {"code": "THROTTLED", "documentation": f"{failures.DOCS}/rate-limits"}
    return {
        "errors": [{"message": "Throttled", "extensions": extensions}],
        "extensions": {"cost": _cost(requested, None, status)},
    }


def _too_dear(requested: int, status: dict[str, int]) -> Body:
    message = (
        f"Query cost is {requested}, which exceeds the single query max cost limit ({MAXIMUM_COST}).\n\n"
        f"See {failures.DOCS}/rate-limits for more information on how the cost of a query is calculated."
    )
    extensions = {
        "code": "MAX_COST_EXCEEDED",
        "cost": requested,
        "maxCost": MAXIMUM_COST,
        "documentation": f"{failures.DOCS}/rate-limits",
    }
    return {
        "errors": [{"message": message, "extensions": extensions}],
        "extensions": {"cost": _cost(requested, None, status)},
    }


def _made_up_warning(operation: OperationDefinitionNode) -> Body:
    first = operation.selection_set.selections[0]
    path = getattr(getattr(first, "name", None), "value", "query")
    warning = {"field": "id", "message": "Invalid search field for this query.", "code": "invalid_field"}
    return {"path": [path], "query": "", "parsed": {}, "warnings": [warning]}
