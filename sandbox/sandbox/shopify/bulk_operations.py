"""Bulk operations: a mutation that Shopify executes for each line of an uploaded file, after it has answered.

They and the uploads are kept in memory, and are lost when the sandbox stops.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

CONCURRENT_OPERATIONS = 5
OPEN_STATUSES = frozenset({"CREATED", "RUNNING", "CANCELING"})
MAXIMUM_UPLOAD_BYTES = 104_857_600


@dataclass(slots=True)
class BulkOperation:
    """One bulk operation.

    - `lines`: the variables of the mutation for each of its executions, as JSON.
    - `results`: the lines of the result so far, as JSON.
    - `scopes`, `api_key`, `version`: those of the call that began the operation.
    """

    number: int
    query: str
    lines: list[bytes]
    created_at: str
    scopes: frozenset[str]
    api_key: str
    version: str
    status: str = "CREATED"
    completed_at: str | None = None
    error_code: str | None = None
    position: int = 0
    results: list[bytes] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether the operation is not at its end yet, and so takes one of the places for operations."""
        return self.status in OPEN_STATUSES

    @property
    def file_size(self) -> int:
        """The size of the result in bytes."""
        return sum(len(line) + 1 for line in self.results)


@dataclass(slots=True)
class BulkOperations:
    """The bulk operations of one shop by number, and the uploaded files by key. A file that is None is awaited."""

    by_number: dict[int, BulkOperation] = field(default_factory=dict)
    uploads: dict[str, bytes | None] = field(default_factory=dict)

    def list_open(self) -> list[BulkOperation]:
        """List the operations that are not at their end yet, oldest first."""
        return [operation for operation in self.by_number.values() if operation.is_open]

    def put(self, operations: Iterable[BulkOperation]) -> None:
        """Add operations."""
        self.by_number.update((operation.number, operation) for operation in operations)
