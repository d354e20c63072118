"""A call of a method of Odoo, as all three APIs understand it, and the calls that readers are made of."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
"""A record as Odoo gives it: an empty field that is no boolean is `False`, a many2one is `[id, name]`."""
Domain = Sequence[object]
Context = Mapping[str, object]
FIELD_ATTRIBUTES = ("type", "string", "relation", "store", "readonly", "selection", "digits", "company_dependent")


@dataclass(frozen=True)
class OdooCall:
    """The call of `method` of `model`. `ids` are the records that it is called on; None for a method of the model.

    All parameters are named; an API that takes some by position gets them there.
    """

    model: str
    method: str
    ids: Sequence[int] | None = None
    context: Context | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)


class OdooCalls(ABC):
    """The calls that readers and writers are made of. Classes that can make a call derive from it."""

    _fields: dict[str, Mapping[str, Row]]

    def __init__(self) -> None:
        self._fields = {}

    @abstractmethod
    async def make_call(self, call: OdooCall) -> object:
        """Make a call and return its result: plain values, and ids where the method returns records."""

    async def call(
        self,
        model: str,
        method: str,
        ids: Sequence[int] | None = None,
        *,
        context: Context | None = None,
        **parameters: object,
    ) -> Any:
        """Call a method and return its result; None for a method that returns nothing."""
        return await self.make_call(OdooCall(model, method, ids, context, parameters))

    async def search_read(
        self,
        model: str,
        domain: Domain,
        fields: Sequence[str],
        *,
        order: str = "id",
        limit: int | None = None,
        offset: int = 0,
        context: Context | None = None,
    ) -> list[Row]:
        """Return these fields of the records that match `domain`, in `order`, at most `limit` of them.

        `offset` is how many come before them; it needs a limit.
        """
        parameters: dict[str, object] = {"domain": list(domain), "fields": list(fields), "order": order}
        if limit is not None:
            parameters |= {"limit": limit, "offset": offset}
        rows: Any = await self.make_call(OdooCall(model, "search_read", None, context, parameters))
        return list(rows)

    async def read(
        self, model: str, ids: Sequence[int], fields: Sequence[str], *, context: Context | None = None
    ) -> list[Row]:
        """Return these fields of records.

        One that does not exist is left out, or raises MissingRecordError where a field is computed of others.
        """
        if not ids:
            return []
        rows: list[Row] = await self.call(model, "read", list(ids), context=context, fields=list(fields))
        return rows

    async def search_count(self, model: str, domain: Domain, *, context: Context | None = None) -> int:
        """Return how many records match `domain`."""
        count: int = await self.call(model, "search_count", context=context, domain=list(domain))
        return count

    async def get_fields(self, model: str) -> Mapping[str, Row]:
        """Return the fields of a model by name, with some attributes of each. They are asked for once."""
        if model not in self._fields:
            self._fields[model] = await self.call(model, "fields_get", attributes=list(FIELD_ATTRIBUTES))
        return self._fields[model]

    def forget_fields(self) -> None:
        """Have fields asked for again, because the database has other ones now."""
        self._fields.clear()
