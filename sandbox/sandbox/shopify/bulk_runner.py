"""Executes bulk operations: some lines at a time, so that other calls to the shop come in between."""

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from sandbox.shopify.bulk_operations import BulkOperation
from sandbox.shopify.change_set import ChangeSet
from sandbox.shopify.engine import Engine, GraphQLRequest
from sandbox.shopify.shop_registry import ShopRegistry
from sandbox.shopify.shops import Shop, get_current_time
from sandbox.shopify.tenants import Tenant
from sandbox.shopify.webhook_payloads import build_bulk_operation

_LINES_AT_A_TIME = 25


@dataclass(slots=True)
class BulkRunner:
    """Executes the open bulk operations of all shops."""

    registry: ShopRegistry
    engine: Engine
    _next_lines: dict[int, float] = field(default_factory=dict)

    def run_lines(self, tenant: Tenant) -> None:
        """Execute the next lines of each open operation of a shop, and end those that are through."""
        for operation in tenant.bulk.list_open():
            with tenant.shop.lock:
                if operation.status == "CREATED":
                    operation.status = "RUNNING"
                count = self._count_due_lines(tenant, operation)
                if count:
                    self.registry.apply_edit(tenant, partial(self._execute_lines, tenant, operation, count))
                self._end_if_through(tenant, operation)

    def _count_due_lines(self, tenant: Tenant, operation: BulkOperation) -> int:
        """Return how many lines of an operation are executed now, at the speed that the faults set."""
        if operation.status != "RUNNING":
            return 0
        speed = tenant.faults.bulk_lines_per_second
        if speed is None:
            return _LINES_AT_A_TIME
        now = time.monotonic()
        due = self._next_lines.setdefault(operation.number, now)
        count = min(_LINES_AT_A_TIME, int((now - due) * speed) + 1) if now >= due else 0
        self._next_lines[operation.number] = due + count / speed
        return count

    def _execute_lines(self, tenant: Tenant, operation: BulkOperation, count: int, _: Shop, changes: ChangeSet) -> None:
        stop = tenant.faults.bulk_stops_after_lines
        end = min(operation.position + count, len(operation.lines), len(operation.lines) if stop is None else stop)
        for number in range(operation.position, end):
            row = {**self._execute_line(tenant, operation, operation.lines[number], changes), "__lineNumber": number}
            operation.results.append(orjson.dumps(row))
        operation.position = max(end, operation.position)

    def _execute_line(
        self, tenant: Tenant, operation: BulkOperation, line: bytes, changes: ChangeSet
    ) -> dict[str, Any]:
        try:
            variables = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return {"errors": [{"message": f"Invalid JSON: {error}", "extensions": {"code": "BAD_REQUEST"}}]}
        request = GraphQLRequest(
            operation.query, variables, None, operation.version, operation.api_key, operation.scopes
        )
        return self.engine.execute_unthrottled(tenant, request, changes)

    def _end_if_through(self, tenant: Tenant, operation: BulkOperation) -> None:
        """Set the last status of an operation that was cancelled, that a fault stops, or that is at its last line."""
        stop = tenant.faults.bulk_stops_after_lines
        if operation.status == "CANCELING":
            operation.status = "CANCELED"
        elif operation.position >= len(operation.lines):
            operation.status = "COMPLETED"
            lost = tenant.faults.bulk_lost_lines
            operation.results = operation.results[: len(operation.results) - lost] if lost else operation.results
        elif stop is not None and operation.position >= stop:
            operation.status, operation.error_code = "FAILED", "INTERNAL_SERVER_ERROR"
        else:
            return
        operation.completed_at = get_current_time()

        def add_event(_: Any, changes: ChangeSet) -> None:
            changes.add_event_if_subscribed("BULK_OPERATIONS_FINISH", build_bulk_operation, operation)

        self.registry.apply_edit(tenant, add_event)
