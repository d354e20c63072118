"""Creating, changing and deleting records, with commands for lists and with computed fields."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.odoo.errors import MissingValueError, ValidationError, build_value_error
from sandbox.odoo.fields import LOG_FIELDS, NUMERIC, TO_MANY, FieldDefinition, Row
from sandbox.odoo.list_commands import apply_commands

if TYPE_CHECKING:
    from sandbox.odoo.environment import OdooEnvironment

_LOGGED = frozenset(field.name for field in LOG_FIELDS)


def create_record(env: "OdooEnvironment", model: str, values: Mapping[str, Any]) -> int:
    """Create a record and return its id. Raises ValidationError, ServerFault (ValueError)."""
    definition = env.models[model]
    given = {name: value for name, value in values.items() if name not in _LOGGED}
    for name in given:
        env.get_field(model, name)
    if definition.before_create:
        given = definition.before_create(env, given)
    if definition.inherits and not given.get(definition.inherits[1]):
        parent, link = definition.inherits
        own = {name: given.pop(name) for name in list(given) if env.get_field(model, name).through}
        given[link] = env.extend_context(create_product_product=False).create(parent, own)
    for name, field in definition.fields.items():
        default = env.context.get(f"default_{name}", field.default)
        if name not in given and default is not None and not field.through and not field.compute:
            given[name] = default(env) if callable(default) else default
    number = env.database.allocate_id(model)
    row: Row = {
        "id": number, "create_date": env.now, "write_date": env.now, "create_uid": env.user, "write_uid": env.user,
    }  # fmt: skip
    plain = {name: value for name, value in given.items() if _is_plain(definition.fields[name])}
    row.update({name: _convert(model, definition.fields[name], value) for name, value in plain.items()})
    for name, field in definition.fields.items():
        if field.is_stored and not field.compute and name not in row and name not in _LOGGED:
            row[name] = [] if field.type == "many2many" else field.convert(None)
    _require_values(env, model, row)
    _check_links(env, model, row, plain)
    _check_unique(env, model, row, plain)
    env.database.write(model, number, row)
    # The lists come first: what is computed when a record was created needs them, and what is computed has inverses.
    _write_lists(env, model, number, given)
    if definition.after_create:
        definition.after_create(env, [number])
    _write_others(env, model, number, given)
    module = env.context.get("_import_current_module")
    if module and isinstance(values.get("id"), str):
        _add_external_id(env, module, values["id"], model, number)
    return number


def _add_external_id(env: "OdooEnvironment", module: str, external_id: str, model: str, number: int) -> None:
    """Add the external id that a row of an import has for a record in a list. It may be left of one that is gone."""
    module, name = external_id.split(".", 1) if "." in external_id else (module, external_id)
    if known := env.database.find_external_id(module, name):
        env.database.write("ir.model.data", known["id"], {**known, "model": model, "res_id": number})
        return
    env.create("ir.model.data", {"module": module, "name": name, "model": model, "res_id": number})


def write_records(env: "OdooEnvironment", model: str, numbers: Sequence[int], values: Mapping[str, Any]) -> None:
    """Change records. Raises MissingError, ValidationError, ServerFault (ValueError)."""
    definition = env.models[model]
    given = {name: value for name, value in values.items() if name not in _LOGGED}
    for name in given:
        env.get_field(model, name)
    for number in numbers:
        env.find(model, number)
    if definition.before_write:
        definition.before_write(env, list(numbers), given)
    plain = {name: value for name, value in given.items() if _is_plain(definition.fields[name])}
    for number in numbers:
        changes = {name: _convert(model, definition.fields[name], value) for name, value in plain.items()}
        row = {**env.find(model, number), "write_date": env.now, "write_uid": env.user}
        changed = _apply_changes(env, model, row, changes)
        _require_values(env, model, changed)
        _check_links(env, model, changed, changes)
        _check_unique(env, model, changed, changes)
        env.database.write(model, number, changed)
        _write_lists(env, model, number, given)
        _write_others(env, model, number, given)
    if definition.after_write:
        definition.after_write(env, list(numbers), given)


def delete_records(env: "OdooEnvironment", model: str, numbers: Sequence[int]) -> None:
    """Delete records. What refers to them is deleted or cleared as its field says; ValidationError if it may not be."""
    definition = env.models[model]
    if definition.before_unlink:
        definition.before_unlink(env, list(numbers))
    for number in numbers:
        if env.database.find(model, number) is None:
            continue
        for kind in ("ir.model.data", "ir.attachment"):
            for owned in env.database.find_owned(model, number, kind):
                env.database.write(kind, owned, None)
        _delete_row(env, model, number)


def _delete_row(env: "OdooEnvironment", model: str, number: int) -> None:
    """Delete a row, and rows that refer to it, as the database does by itself: their external ids are left behind."""
    for other, field in _list_referring_fields(env, model):
        referring = sorted(env.database.find_referring(other, field.name, number))
        if referring and field.ondelete == "restrict":
            raise ValidationError(
                "The operation cannot be completed: another model requires the record being deleted. If possible,"
                f" archive it instead.\n\nModel: {env.models[other].description} ({other})\nConstraint:"
                f" {other.replace('.', '_')}_{field.name}_fkey"
            )
        for referring_id in referring:
            if field.ondelete == "cascade":
                _delete_row(env, other, referring_id)
            else:
                env.database.write(other, referring_id, {**env.find(other, referring_id), field.name: None})
    for other, name in _list_listing_fields(env, model):
        for row in list(env.database.list_rows(other).values()):
            if number in row[name]:
                env.database.write(other, row["id"], {**row, name: [item for item in row[name] if item != number]})
    env.database.write(model, number, None)


def touch(env: "OdooEnvironment", model: str, number: int) -> None:
    """Set the time of a record's last change to the beginning of the transaction."""
    row = env.find(model, number)
    if row["write_date"] != env.now:
        env.database.write(model, number, {**row, "write_date": env.now, "write_uid": env.user})


def update_row(env: "OdooEnvironment", model: str, number: int, **values: Any) -> None:
    """Change stored values without what depends on them, as the server does for its own fields."""
    env.database.write(model, number, {**env.find(model, number), **values, "write_date": env.now})


def _is_plain(field: FieldDefinition) -> bool:
    return _is_stored_here(field) and field.type not in TO_MANY


def _convert(model: str, field: FieldDefinition, value: Any) -> Any:
    try:
        return field.convert(value)
    except (TypeError, ValueError):
        if field.type == "selection":
            raise build_value_error(f"Wrong value for {model}.{field.name}: {value!r}") from None
        raise build_value_error(f"could not convert {value!r} for {model}.{field.name}") from None


def _apply_changes(env: "OdooEnvironment", model: str, row: Row, changes: Row) -> Row:
    fields = env.get_fields(model)
    if env.language == "en_US":
        return {**row, **changes}
    translated = {name: value for name, value in changes.items() if fields[name].translate}
    language = {**row.get("_lang", {}).get(env.language, {}), **translated}
    changed = {**row, **{name: value for name, value in changes.items() if name not in translated}}
    return {**changed, "_lang": {**row.get("_lang", {}), env.language: language}} if translated else changed


def _require_values(env: "OdooEnvironment", model: str, row: Row) -> None:
    for name, field in env.get_fields(model).items():
        if field.required and _is_plain(field) and row.get(name) is None and field.type not in NUMERIC:
            raise MissingValueError(model, env.models[model].description, name, field.string)


def _write_lists(env: "OdooEnvironment", model: str, number: int, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        field = env.get_fields(model)[name]
        if field.type in TO_MANY and not field.through and not field.compute:
            apply_commands(env, model, number, field, value)


def _write_others(env: "OdooEnvironment", model: str, number: int, values: Mapping[str, Any]) -> None:
    """Write computed fields and the fields of the parent record."""
    definition = env.models[model]
    inherited: Row = {}
    for name, value in values.items():
        field = definition.fields[name]
        if field.through:
            inherited[name] = value
        elif field.compute and field.inverse:
            field.inverse(env, env.find(model, number), value)
    if inherited and definition.inherits:
        parent, link = definition.inherits
        env.write(parent, [env.find(model, number)[link]], inherited)


def _list_referring_fields(env: "OdooEnvironment", model: str) -> list[tuple[str, FieldDefinition]]:
    return [
        (other, definition.fields[name])
        for other, definition in env.models.items()
        for name in definition.links
        if definition.fields[name].relation == model
    ]


def _list_listing_fields(env: "OdooEnvironment", model: str) -> list[tuple[str, str]]:
    """Return the stored lists that a record of the model may be in. Variants give up their values before."""
    return [
        (other, field.name)
        for other, definition in env.models.items()
        for field in definition.fields.values()
        if field.type == "many2many" and field.relation == model and _is_stored_here(field)
        if model != "product.template.attribute.value"
    ]


def _is_stored_here(field: FieldDefinition) -> bool:
    return field.is_stored and not field.compute and not field.through


def _check_links(env: "OdooEnvironment", model: str, row: Row, names: Iterable[str]) -> None:
    """Raise MissingError for a many2one that leads nowhere."""
    fields = env.get_fields(model)
    for name in names:
        field = fields[name]
        if field.type == "many2one" and row[name] is not None and field.relation in env.models:
            env.find(field.relation, row[name])


def _check_unique(env: "OdooEnvironment", model: str, row: Row, names: Iterable[str]) -> None:
    """Raise ValidationError if another record has the values that only one may have."""
    for combination, message in env.models[model].unique:
        if not set(combination) & set(names):
            continue
        if model == "ir.model.data":
            known = env.database.find_external_id(row["module"], row["name"])
            others = [known] if known else []
        else:
            others = list(env.database.list_rows(model).values())
        if any(o["id"] != row["id"] and all(o[name] == row[name] for name in combination) for o in others):
            raise ValidationError(f"The operation cannot be completed: {message}")
