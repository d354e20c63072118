"""What a call reads and writes through: a database, a user and a context, as Odoo's environment."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.odoo import domains, records
from sandbox.odoo.database import OdooDatabase
from sandbox.odoo.errors import MissingError, RefusedError, build_value_error
from sandbox.odoo.fields import TO_MANY, FieldDefinition, ModelDefinition, Row

Values = Mapping[str, Any]
_TERM = r"\s*[\w.:]+(\s+(asc|desc))?(\s+nulls\s+(first|last))?\s*"
_ORDER = re.compile(rf"{_TERM}(,{_TERM})*", re.IGNORECASE)


@dataclass(frozen=True)
class OdooEnvironment:
    """A user's view of a database within a transaction, which began at `now`. `context` has what the client sent."""

    database: OdooDatabase
    user: int
    context: Values
    now: str

    @property
    def version(self) -> int:
        """The version of Odoo, e.g. 18."""
        return self.database.models.version

    @property
    def models(self) -> Mapping[str, ModelDefinition]:
        """All models by name."""
        return self.database.models.models

    @property
    def language(self) -> str:
        """The language in which translated fields are read and written."""
        return str(self.context.get("lang") or "en_US")

    @property
    def hides_archived(self) -> bool:
        """Whether searches and lists leave out archived records."""
        return bool(self.context.get("active_test", True))

    def extend_context(self, **context: Any) -> "OdooEnvironment":
        """Return the same view with a changed context."""
        return replace(self, context={**self.context, **context})

    def get_fields(self, model: str) -> Mapping[str, FieldDefinition]:
        """Return the fields of a model by name."""
        return self.models[model].fields

    def get_field(self, model: str, name: str) -> FieldDefinition:
        """Return a field. Raises ServerFault (ValueError) if the model does not have it."""
        field = self.get_fields(model).get(name)
        if field is None:
            raise build_value_error(f"Invalid field {name!r} on model {model!r}")
        return field

    def find(self, model: str, number: int) -> Row:
        """Return a row. Raises MissingError if there is none."""
        row = self.database.find(model, number)
        if row is None:
            raise MissingError(
                f"Record does not exist or has been deleted.\n(Record: {model}({number},), User: {self.user})"
            )
        return row

    def get_value(self, model: str, row: Row, name: str) -> Any:
        """Return the value of a field, in the form in which rows have values. Lists leave out archived records."""
        field = self.get_field(model, name)
        if name == "display_name":
            return self.build_name(model, row)
        if field.compute:
            value = field.compute(self, row)
        elif field.through:
            link = self.get_fields(model)[field.through]
            parent = self.database.find(link.relation, row[field.through])
            value = self.get_value(link.relation, parent, name) if parent else None
        elif field.type == "one2many":
            children = self.database.find_referring(field.relation, field.inverse_name, row["id"])
            value = self.sort(field.relation, children)
        elif field.translate:
            value = row.get("_lang", {}).get(self.language, {}).get(name, row.get(name))
        else:
            value = row.get(name)
        if field.type in TO_MANY and not field.through and self.hides_archived:
            return self.drop_archived(field.relation, value or ())
        return value

    def read_value(self, model: str, number: int, name: str) -> Any:
        """Return the value of a field of the record with this id. Raises MissingError if there is none."""
        return self.get_value(model, self.find(model, number), name)

    def build_name(self, model: str, row: Row) -> str:
        """Return the display name of a record."""
        definition = self.models[model]
        if definition.name_record:
            return definition.name_record(self, row)
        if definition.rec_name in definition.fields:
            return str(self.get_value(model, row, definition.rec_name) or "")
        return f"{model},{row['id']}"

    def drop_archived(self, model: str, numbers: Iterable[int]) -> list[int]:
        """Return those ids whose records are not archived, in the same order."""
        if "active" not in self.get_fields(model):
            return list(numbers)
        return [n for n in numbers if (row := self.database.find(model, n)) and self.get_value(model, row, "active")]

    def search(
        self, model: str, domain: Sequence[Any], *, order: str = "", offset: int = 0, limit: int | None = None
    ) -> list[int]:
        """Return the ids of the matching records, in the given order or the model's own."""
        found = self._filter(model, list(domain))
        if order or len(found) > 1:
            found = self._order(model, found, order or self.models[model].order)
        end = None if not limit else offset + limit
        return [row["id"] for row in found[offset:end]]

    def count(self, model: str, domain: Sequence[Any], limit: int | None = None) -> int:
        """Return the number of matching records, at most `limit`."""
        total = len(self._filter(model, list(domain)))
        return min(total, limit) if limit else total

    def search_by_name(self, model: str, name: str, relation: str) -> list[int]:
        """Return the ids of the records with this name."""
        rec_name = self.models[model].rec_name
        return self.search(model, [(rec_name if rec_name in self.get_fields(model) else "id", relation, name)])

    def sort(self, model: str, numbers: Iterable[int]) -> list[int]:
        """Return ids in the model's own order."""
        rows = [row for number in numbers if (row := self.database.find(model, number))]
        if len(rows) > 1:
            rows = self._order(model, rows, self.models[model].order)
        return [row["id"] for row in rows]

    def create(self, model: str, values: Values) -> int:
        """Create a record and return its id."""
        return records.create_record(self, model, values)

    def write(self, model: str, numbers: Sequence[int], values: Values) -> None:
        """Change records. Raises MissingError if one of them does not exist."""
        records.write_records(self, model, numbers, values)

    def delete(self, model: str, numbers: Sequence[int]) -> None:
        """Delete records, with those that cannot be without them."""
        records.delete_records(self, model, numbers)

    def _filter(self, model: str, domain: list[Any]) -> list[Row]:
        definition = self.models[model]
        names = {item[0] for item in domain if isinstance(item, list | tuple)}
        if "active" in definition.fields and "active" not in names and self.hides_archived:
            domain = [("active", "=", True), *domain]
        if definition.search_filter:
            domain = definition.search_filter(self, domain)
        predicate = domains.compile_domain(self, model, domain)
        return [row for row in self._list_candidates(model, domain) if predicate(row)]

    def _list_candidates(self, model: str, domain: Sequence[Any]) -> Iterable[Row]:
        """Return the rows among which the matching ones are. A condition on ids or many2ones narrows them down."""
        table = self.database.list_rows(model)
        if any(item in ("|", "!") for item in domain if isinstance(item, str)):
            return list(table.values())
        for item in domain:
            if not isinstance(item, list | tuple) or item[1] not in ("=", "in"):
                continue
            values = item[2] if isinstance(item[2], list | tuple | set) else [item[2]]
            if not values or not all(isinstance(value, int | str) and value not in (False, "") for value in values):
                continue
            if item[0] == "id":
                return [table[n] for n in dict.fromkeys(values) if n in table]
            is_text = any(isinstance(value, str) for value in values)
            if item[0] in (self.models[model].indexed if is_text else self.models[model].links):
                numbers = {n for value in values for n in self.database.find_referring(model, item[0], value)}
                return [table[n] for n in sorted(numbers)]
        return list(table.values())

    def _order(self, model: str, rows: list[Row], order: str) -> list[Row]:
        if not _ORDER.fullmatch(order):
            raise RefusedError(f'Invalid "order" specified ({order}).')
        for term in reversed(order.split(",")):
            name, _, direction = term.strip().partition(" ")
            direction = direction.partition(" nulls")[0]
            field = self.get_fields(model).get(name)
            if field is None:
                raise build_value_error(f"Invalid field {name!r} on model {model!r}")
            if not (field.is_stored or field.through) or field.type in TO_MANY:
                raise build_value_error(f"Cannot convert field {model}.{name} to SQL")
            descending = direction.strip().lower().startswith("desc")
            rows = self._order_by(model, rows, field, reverse=descending)
        return rows

    def _order_by(self, model: str, rows: list[Row], field: FieldDefinition, *, reverse: bool) -> list[Row]:
        if field.type == "many2one":
            linked = {row["id"]: self.get_value(model, row, field.name) for row in rows}
            everything = self.extend_context(active_test=False)
            ordered = everything.sort(field.relation, {number for number in linked.values() if number is not None})
            ranks = {number: rank for rank, number in enumerate(ordered)}
            return sorted(rows, key=lambda row: ranks.get(linked[row["id"]], len(ranks)), reverse=reverse)
        return sorted(rows, key=lambda row: self._build_key(model, row, field), reverse=reverse)

    def _build_key(self, model: str, row: Row, field: FieldDefinition) -> tuple[bool, Any]:
        value = self.get_value(model, row, field.name)
        if field.type == "boolean":
            return False, bool(value)
        if value is None:
            return True, 0
        return False, value.lower() if isinstance(value, str) else value
