"""Takes products off sale and archives them. Nothing is ever deleted in Odoo."""

from typing import Any

from contracts.events import WriteRequested
from destination.destination import UNCHANGED, WriteResult
from odoo_writer.results import build_read, build_refused
from odoo_writer.targets import WriteTarget

DRAFT, ARCHIVE = "draft", "archive"


def plan_removal(request: WriteRequested, target: WriteTarget) -> dict[str, Any] | WriteResult:
    """Return the fields of the template to write; or what came of the request, when there is nothing to write."""
    body = target.product.body
    if request.operation == ARCHIVE:
        values: dict[str, Any] = {"active": False} if body["active"] else {}
    elif request.operation == DRAFT and "is_published" in body:
        values = {"is_published": False} if body["is_published"] else {}
    elif request.operation == DRAFT:
        values = {"sale_ok": False} if body["sale_ok"] else {}
    else:
        return build_refused(request, "nothing is ever deleted in Odoo: archive the product there")
    return values or build_read(request, UNCHANGED, target)
