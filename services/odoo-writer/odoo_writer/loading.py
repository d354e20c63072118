"""Makes a product by Odoo's `load`: with its external id, in one transaction, so that it is made once or not at all."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from odoo_writer.attributes import AttributeLine
from odoo_writer.sessions import WRITING, WritingSession
from platform_sdk.errors import AccessDeniedError, ConnectionEndedError, PermanentError, RetryLaterError, TransientError
from platforms.odoo.database_fields import TEMPLATE
from platforms.odoo.errors import MissingRecordError, NotOdooError, build_error
from platforms.odoo.reading import ALL

MODULE = "__merchant_sync__"
"""The module of all external ids that writers make."""
_LINES = "attribute_line_ids"
_LINE_COLUMNS = (f"{_LINES}/id", f"{_LINES}/attribute_id/.id", f"{_LINES}/value_ids/.id")
_ERROR_CLASS = re.compile(r"<class '([\w.]+)'>")
_AGAIN_SECONDS = 2.0


async def find_loaded(session: WritingSession, external_id: str) -> tuple[str, int | None] | None:
    """Return model and id of the record with an external id, archived ones too; None if there is none.

    The id is None for a record that the user may not see. Only administrators may read the external ids themselves.
    """
    try:
        model, number = await session.call(
            "ir.model.data", "check_object_reference", context=ALL, module=MODULE, xml_id=external_id
        )
    except MissingRecordError:
        return None
    return model, number or None


async def load_product(
    session: WritingSession, external_id: str, values: Mapping[str, Any], lines: Sequence[AttributeLine]
) -> int:
    """Make a template and return its id. `values` are cells of `load` by column.

    Raises RetryLaterError where Odoo may take it later, and the errors of `build_error` where it does not take it.
    """
    columns, rows = build_rows(external_id, values, lines)
    answer = await session.call_once(TEMPLATE, "load", context=WRITING, fields=columns, data=rows)
    if answer["ids"]:
        return int(answer["ids"][0])
    error = build_load_error([str(one.get("message")) for one in answer["messages"]])
    # Messages have no kind, and their texts are translated.
    if isinstance(error, PermanentError) and not await _may_create(session):
        raise AccessDeniedError(error.reason)
    raise error


async def _may_create(session: WritingSession) -> bool:
    try:
        return bool(await session.call(TEMPLATE, "check_access_rights", operation="create", raise_exception=False))
    except (ConnectionEndedError, NotOdooError):
        raise
    except PermanentError:
        # A version without this method does not tell.
        return True


def build_rows(
    external_id: str, values: Mapping[str, Any], lines: Sequence[AttributeLine]
) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and the rows of a product: a row for each line, the first of which has everything else."""
    own = [f"{MODULE}.{external_id}", *values.values()]
    if not lines:
        return ["id", *values], [own]
    rows = []
    for place, line in enumerate(lines):
        # A line without an external id of its own would be added once more if the product were loaded again.
        cells = [f"{MODULE}.{external_id}_line_{place + 1}", str(line.attribute), ",".join(map(str, line.values))]
        rows.append([*(own if place == 0 else [""] * len(own)), *cells])
    return ["id", *values, *_LINE_COLUMNS], rows


def build_load_error(messages: Sequence[str]) -> Exception:
    """Return the error that follows from the messages of a `load` that has written nothing."""
    text = messages[0] if messages else "nothing was made"
    named = _ERROR_CLASS.search(text)
    error = build_error(named.group(1) if named else "", text)
    if isinstance(error, TransientError):
        return RetryLaterError(str(error), seconds=_AGAIN_SECONDS, escalates=True)
    return error if isinstance(error, PermanentError) else PermanentError(text)
