"""What the writer needs of a session at an Odoo, besides reading."""

from collections.abc import Sequence
from typing import Any, Protocol

from platforms.odoo.calls import Context
from platforms.odoo.reading import RecordsSession

WRITING: Context = {"skip_shopify_sync": True}
"""The context of every write: addons that send changes to shops stay quiet.

It names no language and no company, because that of readers (`platforms.odoo.reading.ALL`) names none either. Without
them both see the texts that Odoo translates from, and costs of the user's own company.
"""


class WritingSession(RecordsSession, Protocol):
    """Reads and writes the records of one database, as `platforms.odoo.session.OdooSession` does."""

    async def call(
        self,
        model: str,
        method: str,
        ids: Sequence[int] | None = None,
        *,
        context: Context | None = None,
        **parameters: object,
    ) -> Any:
        """Call a method that changes nothing. It is repeated after errors that may pass."""
        ...

    async def call_once(
        self,
        model: str,
        method: str,
        ids: Sequence[int] | None = None,
        *,
        context: Context | None = None,
        **parameters: object,
    ) -> Any:
        """Call a method that writes. Raises RetryLaterError where its outcome is not known."""
        ...


async def write_record(session: WritingSession, model: str, number: int, values: dict[str, Any]) -> None:
    """Write fields of a record, in a transaction of its own."""
    await session.call_once(model, "write", [number], context=WRITING, vals=values)


async def create_records(session: WritingSession, model: str, values: Sequence[dict[str, Any]]) -> list[int]:
    """Create records, all of them or none, and return their ids."""
    created: list[int] = await session.call_once(model, "create", context=WRITING, vals_list=list(values))
    return created
