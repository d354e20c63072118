"""How clients see records and fields: the answers of `read` and `fields_get`."""

import base64
from collections.abc import Sequence
from typing import Any

from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import build_value_error
from sandbox.odoo.fields import NUMERIC, TO_MANY, FieldDefinition, Row


def read_records(
    env: OdooEnvironment, model: str, numbers: Sequence[int], names: Sequence[str] | None, *, with_names: bool = True
) -> list[Row]:
    """Return the records as clients see them; those that do not exist are left out. Without `names`, all fields."""
    definition = env.models[model]
    chosen = list(dict.fromkeys(["id", *(names or [n for n, f in definition.fields.items() if not f.is_internal])]))
    for name in chosen:
        if name not in definition.fields or definition.fields[name].is_internal:
            raise build_value_error(f"Invalid field {name!r} on model {model!r}")
    fields = [definition.fields[name] for name in chosen]
    rows = [row for number in numbers if (row := env.database.find(model, number))]
    return [{field.name: show_value(env, model, row, field, with_names=with_names) for field in fields} for row in rows]


def show_value(env: OdooEnvironment, model: str, row: Row, field: FieldDefinition, *, with_names: bool = True) -> Any:
    """Return the value of a field as clients see it: false for an empty one, and a many2one with its name."""
    value = env.get_value(model, row, field.name)
    if field.type in TO_MANY:
        return list(value or ())
    if field.type in NUMERIC:
        return value or (0 if field.type == "integer" else 0.0)
    if value is None:
        return False
    match field.type:
        case "datetime":
            return value[:19]
        case "many2one":
            target = env.database.find(field.relation, value)
            if target is None:
                return False
            return [value, env.build_name(field.relation, target)] if with_names else value
        case "binary" if env.context.get("bin_size") or env.context.get(f"bin_size_{field.name}"):
            return _show_size(len(base64.b64decode(value)))
    return value


def _show_size(size: float) -> str:
    if size < 1024:
        return f"{size:.2f} bytes"
    return f"{size / 1024:.2f} Kb" if size < 1024**2 else f"{size / 1024**2:.2f} Mb"


def describe_fields(
    env: OdooEnvironment, model: str, names: Sequence[str] | None, attributes: Sequence[str] | None
) -> dict[str, Row]:
    """Return the attributes of a model's fields by name. Fields that there are not are left out."""
    described = {}
    for name, field in env.get_fields(model).items():
        if field.is_internal or (names and name not in names):
            continue
        whole = _describe_field(field)
        described[name] = {key: value for key, value in whole.items() if not attributes or key in attributes}
    return described


def _describe_field(field: FieldDefinition) -> Row:
    described: Row = {
        "type": field.type, "string": field.string, "name": field.name, "readonly": field.readonly,
        "required": field.required, "store": field.is_stored,
        "searchable": field.searchable or not field.compute, "manual": False, "depends": [], "exportable": True,
        "sortable": field.is_stored and field.type not in TO_MANY and field.type != "binary",
        "company_dependent": field.company_dependent,
    }  # fmt: skip
    if field.relation:
        described.update(relation=field.relation, domain=[], context={})
    if field.digits:
        described["digits"] = [16, field.digits]
    if field.inverse_name:
        described["relation_field"] = field.inverse_name
    if field.selection:
        described["selection"] = [list(item) for item in field.selection]
    if field.type in ("char", "text", "html"):
        described["translate"] = field.translate
    return described
