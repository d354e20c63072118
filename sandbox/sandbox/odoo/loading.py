"""`load`: creates or changes records from rows of text, by external ids, all of them or none.

Errors are messages in the answer. What is written for the rows of one call is one transaction.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from sandbox.odoo import access
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import MissingValueError, OdooError, ServerFault, ValidationError, build_value_error
from sandbox.odoo.fields import FieldDefinition, Row

Path = tuple[str, ...]
NAME, EXTERNAL_ID, DATABASE_ID = "", "id", ".id"
"""What a reference names a record by. A path without a sub-field has the name."""
_REFERENCES = (NAME, EXTERNAL_ID, DATABASE_ID)
_MODULE = "__import__"
_TRUE, _FALSE = ("1", "true", "yes"), ("", "0", "false", "no")


class ConversionError(Exception):
    """A cell has a value that its field cannot have. `{field}` in the message is replaced by the field's label."""


class _Undone(Exception):
    """Rolls back what was written."""


@dataclass(slots=True)
class _Load:
    """One call of `load`. `info` says which rows a record comes from."""

    env: OdooEnvironment
    messages: list[Row] = field(default_factory=list)

    @property
    def has_errors(self) -> bool:
        return any(message["type"] == "error" for message in self.messages)

    def add_error(self, info: Row, message: str, **further: Any) -> None:
        self.messages.append({**info, "type": "error", "message": message, **further})


def load_rows(env: OdooEnvironment, model: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Row:
    """Create or change records; return `ids`, `messages` and `nextrow`. With an error, `ids` is false."""
    module = str(env.context.get("module") or _MODULE)
    load = _Load(env.extend_context(_import_current_module=module))
    paths = [tuple(re.sub(r"([^/]):id", r"\1/id", re.sub(r"([^/])\.id", r"\1/.id", name)).split("/")) for name in names]
    extracted = _extract(load.env, model, paths, [list(row) for row in rows])
    ids: list[int] = []
    try:
        with env.database.begin_savepoint():
            for number, (record, span) in enumerate(extracted):
                _load_record(load, model, record, {"rows": span, "record": number}, ids)
            if load.has_errors:
                raise _Undone
    except _Undone:
        return {"ids": False, "messages": load.messages, "nextrow": 0}
    return {"ids": ids, "messages": load.messages, "nextrow": 0}


def _load_record(load: _Load, model: str, record: Row, info: Row, ids: list[int]) -> None:
    env = load.env
    values: Row = {}
    for name, value in record.items():
        if name in _REFERENCES:
            continue
        definition = env.get_field(model, name)
        try:
            values[name] = _convert(env, definition, value) if value else False
        except ConversionError as error:
            load.add_error(info, str(error).format(field=definition.string), field=name, field_name=definition.string)
    number = _parse_database_id(load, model, record, info)
    external_id = str(record[EXTERNAL_ID]) if record.get(EXTERNAL_ID) else ""
    try:
        with env.database.begin_savepoint():
            ids.append(_save(env, model, external_id, number, values))
    except MissingValueError as error:
        load.add_error(info, f"Missing required value for the field '{error.label}' ({error.field})", field=error.field)
    except ServerFault as error:
        kind = error.name.rpartition(".")[2]
        message = f"Unknown error during import: <class '{kind}'>: {error.message}"
        load.add_error(info, message, moreinfo="Resolve other errors first")
    except OdooError as error:
        load.add_error(info, error.message)


def _parse_database_id(load: _Load, model: str, record: Row, info: Row) -> int | None:
    value = record.get(DATABASE_ID)
    if not value:
        return None
    if not str(value).isdecimal() or load.env.database.find(model, int(value)) is None:
        load.add_error(info, f"Unknown database identifier '{value}'", field=DATABASE_ID)
        return None
    return int(value)


def _save(env: OdooEnvironment, model: str, external_id: str, number: int | None, values: Row) -> int:
    if external_id and "." not in external_id:
        external_id = f"{env.context['_import_current_module']}.{external_id}"
    module, _, name = external_id.partition(".")
    known = env.database.find_external_id(module, name) if external_id else None
    if known and known["model"] != model:
        raise ValidationError(
            f"For external id {external_id} when trying to create/update a record of model {model} found record of"
            f" different model {known['model']} ({known['id']})"
        )
    target = known["res_id"] if known else number
    if target is not None and env.database.find(model, target) is not None:
        access.check_right(env, model, "write")
        env.write(model, [target], values)
        return int(target)
    if known:
        env.delete("ir.model.data", [known["id"]])
    access.check_right(env, model, "create")
    created = env.create(model, values)
    if external_id:
        add_external_id(env, module, name, model, created)
        inherits = env.models[model].inherits
        if inherits and not values.get(inherits[1]):
            parent = env.find(model, created)[inherits[1]]
            add_external_id(env, module, f"{name}_{inherits[0].replace('.', '_')}", inherits[0], parent)
    return created


def add_external_id(env: OdooEnvironment, module: str, name: str, model: str, number: int) -> None:
    """Add an external id to a record."""
    env.create("ir.model.data", {"module": module, "name": name, "model": model, "res_id": number})


def _extract(env: OdooEnvironment, model: str, paths: Sequence[Path], rows: list[list[Any]]) -> list[tuple[Row, Row]]:
    """Return the records in the rows, each with its rows. Lists of records may go on in further rows."""
    fields = env.get_fields(model)
    for path in paths:
        if path[0] not in fields and path[0] not in _REFERENCES:
            raise build_value_error(f"Invalid field name {path[0]!r}")
    lists = [i for i, path in enumerate(paths) if path[0] in fields and fields[path[0]].type == "one2many"]
    others = [i for i in range(len(paths)) if i not in lists]

    def has_only_lists(row: list[Any]) -> bool:
        return any(row[i] for i in lists) and not any(row[i] for i in others)

    found: list[tuple[Row, Row]] = []
    index = 0
    while index < len(rows):
        span = [rows[index], *takewhile(has_only_lists, rows[index + 1 :])]
        record: Row = {}
        for path, value in zip(paths, rows[index], strict=False):
            name = path[0]
            if name in _REFERENCES or not fields[name].relation:
                record[name] = value
            elif name not in record:
                columns = [i for i, other in enumerate(paths) if other[0] == name]
                inner = [paths[i][1:] or (NAME,) for i in columns]
                cells = [[row[i] for i in columns] for row in span]
                filled = [row for row in cells if any(row)]
                record[name] = [entry for entry, _ in _extract(env, fields[name].relation, inner, filled)]
        found.append((record, {"from": index, "to": index + len(span) - 1}))
        index += len(span)
    return found


def _convert(env: OdooEnvironment, definition: FieldDefinition, value: Any) -> Any:
    """Return the value of a cell, or the records in cells, as `create` and `write` take it."""
    match definition.type:
        case "boolean":
            return _convert_boolean(value)
        case "integer" | "float" | "monetary":
            kind = "an integer" if definition.type == "integer" else "a number"
            try:
                return int(value) if definition.type == "integer" else float(value)
            except (TypeError, ValueError):
                raise ConversionError(f"'{value}' does not seem to be {kind} for field '{{field}}'") from None
        case "selection":
            for key, label in definition.selection:
                if value in (key, label):
                    return key
            raise ConversionError(f"Value '{value}' not found in selection field '{{field}}'")
        case "many2one":
            [record] = value
            return _find_reference(env, definition, record)
        case "many2many":
            [record] = value
            kind, names = _get_reference(record)
            return [[6, 0, [_find_reference(env, definition, {kind: name}) for name in names.split(",")]]]
        case "one2many":
            return _convert_children(env, definition, value)
    return value


def _convert_boolean(value: Any) -> bool:
    if not isinstance(value, str):
        raise ServerFault("builtins.AttributeError", f"'{type(value).__name__}' object has no attribute 'lower'")
    if value.lower() not in (*_TRUE, *_FALSE):
        raise ConversionError(f"Unknown value '{value}' for boolean field '{{field}}'")
    return value.lower() in _TRUE


def _get_reference(record: Mapping[str, Any]) -> tuple[str, str]:
    references = [name for name in record if name in _REFERENCES]
    if len(references) != 1 or len(record) != 1:
        raise ConversionError("Ambiguous specification for field '{field}', only provide one of name, external id or"
                              " database id")  # fmt: skip
    return references[0], str(record[references[0]])


def _find_reference(env: OdooEnvironment, definition: FieldDefinition, record: Mapping[str, Any]) -> int:
    """Return the id of the record that a cell names by name, external id or database id."""
    kind, value = _get_reference(record)
    model = definition.relation
    number: int | None = None
    if kind == DATABASE_ID:
        if not value.isdecimal():
            raise ConversionError(f"Invalid database id '{value}' for the field '{{field}}'")
        number = int(value)
    elif kind == EXTERNAL_ID:
        number = _find_by_external_id(env, model, value)
    else:
        found = env.search_by_name(model, value, "=")
        number = found[0] if found else None
    if number is None or env.database.find(model, number) is None:
        label = {DATABASE_ID: "database id", EXTERNAL_ID: "external id", NAME: "name"}[kind]
        raise ConversionError(f"No matching record found for {label} '{value}' in field '{{field}}'")
    return number


def _find_by_external_id(env: OdooEnvironment, model: str, value: str) -> int | None:
    full = value if "." in value else f"{env.context['_import_current_module']}.{value}"
    module, _, name = full.partition(".")
    known = env.database.find_external_id(module, name)
    if known and known["model"] != model:
        raise ConversionError(f"Invalid external id {value}: expected model {model!r}, found {known['model']!r}")
    return int(known["res_id"]) if known else None


def _convert_children(env: OdooEnvironment, definition: FieldDefinition, records: Sequence[Row]) -> list[list[Any]]:
    model = definition.relation
    commands: list[list[Any]] = []
    if len(records) == 1 and all(name in _REFERENCES for name in records[0]):
        kind, names = _get_reference(records[0])
        records = [{kind: name} for name in names.split(",")]
    for record in records:
        values: Row = {}
        for name, value in record.items():
            if name in _REFERENCES:
                continue
            inner = env.get_field(model, name)
            try:
                values[name] = _convert(env, inner, value) if value else False
            except ConversionError as error:
                raise ConversionError(str(error).replace("{field}", f"{{field}}/{inner.string}")) from None
        references = {name: value for name, value in record.items() if name in _REFERENCES and value}
        number: int | None = None
        if EXTERNAL_ID in references:
            number = _find_by_external_id(env, model, str(references[EXTERNAL_ID]))
            if number is None or env.database.find(model, number) is None:
                number, values = None, {**values, "id": references[EXTERNAL_ID]}
        elif references:
            number = _find_reference(env, definition, references)
        commands.extend([[4, number, 0], [1, number, values]] if number else [[0, 0, values]])
    return commands
