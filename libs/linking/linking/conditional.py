"""Says what a conditional write still has to do, from the record's values as they are now.

| the field is | then |
|-|-|
| as wanted | nothing: it was written already, or somebody else has |
| as expected | it is written |
| something else | a conflict: the record has changed since the write was decided |
"""

from collections.abc import Mapping
from typing import Any

from linking.fields import FIELDS
from linking.records import Value, Values
from linking.values import is_same

_KINDS = {(one.resource, one.name): one.kind for one in FIELDS}


class ChangedMeanwhileError(Exception):
    """Raised when a field has neither the expected value nor the wanted one. Nothing may be written then."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(f"changed meanwhile: {', '.join(fields)}")
        self.fields = fields


def list_unwritten(
    resource: str, present: Values, expected: Values, wanted: Values, currency: str | None = None
) -> dict[str, Value]:
    """Return the wanted values that the record does not have yet.

    `present` has the values of at least all fields of `wanted`. Raises `ChangedMeanwhileError` where one of them is
    neither expected nor wanted, and `ValueError` for a field that `resource` has not.
    """
    for name in wanted:
        if (resource, name) not in _KINDS:
            raise ValueError(f"{resource} have no field {name}")
    unwritten = {
        name: value for name, value in wanted.items() if not _is_same(resource, name, present[name], value, currency)
    }
    changed = tuple(
        name for name in unwritten if not _is_same(resource, name, present[name], expected.get(name), currency)
    )
    if changed:
        raise ChangedMeanwhileError(changed)
    return unwritten


def is_written(resource: str, present: Values, wanted: Mapping[str, Any], currency: str | None = None) -> bool:
    """Return whether the record has all wanted values."""
    return all(_is_same(resource, name, present.get(name), value, currency) for name, value in wanted.items())


def _is_same(resource: str, name: str, one: Value, other: Value, currency: str | None) -> bool:
    try:
        return is_same(_KINDS[resource, name], one, other, currency)
    except ValueError:
        return bool(one == other)
