"""Builds what comes of requests for writes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from contracts.events import WriteRequested
from destination.destination import (
    APPLIED,
    CONFLICT,
    FAILED,
    REFUSED,
    UNCHANGED,
    Outcome,
    WriteResult,
)
from linking.fields import FIELDS, ValueKind
from linking.records import Values
from platforms.shopify.errors import FieldError
from shopify_writer.targets import Target

SHOPIFY_DATA, SHOPIFY_API, CURRENCY = "shopify_data", "shopify_api", "currency"
"""Reason codes: the shop does not take the values, its API has an error, and amounts are in another currency."""

AMOUNTS = {one.name for one in FIELDS if one.kind is ValueKind.MONEY}


class InputError(Protocol):
    """An error that a mutation has answered, with the path of the input that it is about."""

    field: list[str] | None
    message: str


def build_applied(request: WriteRequested, target: Target, variants: Mapping[str, str] | None = None) -> WriteResult:
    """Return that the write was executed; `target` is the record after it."""
    return _build_with_values(APPLIED, request, target, variants)


def build_unchanged(request: WriteRequested, target: Target, variants: Mapping[str, str] | None = None) -> WriteResult:
    """Return that `target` has the wanted values already."""
    return _build_with_values(UNCHANGED, request, target, variants)


def build_conflict(request: WriteRequested, target: Target, message: str) -> WriteResult:
    """Return that `target` has neither the expected values nor the wanted ones."""
    return _build_with_values(CONFLICT, request, target, None, message)


def build_deleted(request: WriteRequested, outcome: Outcome, read_at: int) -> WriteResult:
    """Return that the record is gone, as was wanted: by this write (`applied`), or before it (`unchanged`)."""
    return WriteResult(request.write_id, outcome, request.record, read_at=read_at)


def build_refused(request: WriteRequested, message: str, reason_code: str = SHOPIFY_DATA) -> WriteResult:
    """Return that the shop will not take the write, however often it is sent."""
    return WriteResult(request.write_id, REFUSED, request.record, reason_code=reason_code, message=message)


def build_unreadable(request: WriteRequested, error: FieldError | None) -> WriteResult:
    """Return that the write was not tried, because its record has an error of its own; None: because it is gone.

    After an error that may pass, the write failed, and may be requested again.
    """
    if error is None:
        return build_refused(request, f"the shop does not have {request.record} any more")
    if error.is_transient:
        return WriteResult(request.write_id, FAILED, request.record, reason_code=SHOPIFY_API, message=error.reason)
    return build_refused(request, error.reason)


def build_quantities(
    outcome: Outcome, request: WriteRequested, quantities: Mapping[str, int], read_at: int, message: str | None = None
) -> WriteResult:
    """Return what came of a write of stock, with the units by location at `read_at` (ms). Stock has no version."""
    values = dict(quantities)
    return WriteResult(request.write_id, outcome, request.record, values=values, read_at=read_at, message=message)


def find_currency_refusal(request: WriteRequested, currency: str | None) -> WriteResult | None:
    """Return the refusal of amounts that are not in the shop's `currency`; None if there are no such amounts."""
    has_amounts = any(AMOUNTS & values.keys() for values in (request.fields, *request.variants))
    if not has_amounts or request.currency in (None, currency):
        return None
    message = f"the amounts are in {request.currency}, and the shop's are in {currency}"
    return build_refused(request, message, CURRENCY)


def describe_errors(errors: Iterable[InputError]) -> str:
    """Return the messages of `errors` as one text, each with the name of the field that it is about."""
    return "; ".join(f"{error.field[-1]}: {error.message}" if error.field else error.message for error in errors)


def find_index(error: InputError, path: Sequence[str]) -> int | None:
    """Return which entry of the input's list at `path` an error is about; None if it names none of them."""
    field = error.field or []
    if field[: len(path)] != list(path) or len(field) == len(path) or not field[len(path)].isdigit():
        return None
    return int(field[len(path)])


def _build_with_values(
    outcome: Outcome,
    request: WriteRequested,
    target: Target,
    variants: Mapping[str, str] | None,
    message: str | None = None,
) -> WriteResult:
    return WriteResult(
        request.write_id,
        outcome,
        target.id,
        variants=variants or {},
        values=_select_values(request, target.values),
        version=target.version,
        read_at=target.read_at,
        message=message,
    )


def _select_values(request: WriteRequested, values: Values) -> dict[str, Any]:
    # Taking a product off sale and archiving it have no fields: what they change is whether it is published.
    names = request.fields or ("published",)
    return {name: values[name] for name in names if name in values}
