"""Builds what comes of requests for writes."""

from collections.abc import Mapping

from contracts.events import WriteRequested
from destination.destination import CONFLICT, REFUSED, Outcome, WriteResult
from odoo_writer.targets import WriteTarget

ODOO_DATA = "odoo_data"
"""The reason code of a write whose values the database does not take."""


def build_read(
    request: WriteRequested,
    outcome: Outcome,
    target: WriteTarget,
    *,
    variants: Mapping[str, str] | None = None,
    message: str | None = None,
) -> WriteResult:
    """Return an outcome with the record as it was read."""
    names = request.fields or ("published",)
    return WriteResult(
        request.write_id,
        outcome,
        target.record.id,
        variants=variants or {},
        values={name: target.record.values[name] for name in names if name in target.record.values},
        version=target.version,
        read_at=target.read_at,
        message=message,
    )


def build_conflict(request: WriteRequested, target: WriteTarget, message: str) -> WriteResult:
    """Return that the record has neither the expected values nor the wanted ones."""
    return build_read(request, CONFLICT, target, message=message)


def build_refused(request: WriteRequested, message: str, reason_code: str = ODOO_DATA) -> WriteResult:
    """Return that the database will not take the write, however often it is sent."""
    return WriteResult(request.write_id, REFUSED, request.record, reason_code=reason_code, message=message)
