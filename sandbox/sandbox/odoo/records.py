"""Creating, changing and deleting records, with commands for lists and with computed fields."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.odoo.errors import MissingError, MissingValueError, ValidationError, build_value_error
from sandbox.odoo.fields import LOG_FIELDS, NUMERIC, TO_MANY, FieldDefinition, Row

if TYPE_CHECKING:
    from sandbox.odoo.environment import Environment

_LOGGED = frozenset(field.name for field in LOG_FIELDS)


def create_record(env: "Environment", model: str, values: Mapping[str, Any]) -> int:
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
        given[link] = env.with_context(create_product_product=False).create(parent, own)
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


def _add_external_id(env: "Environment", module: str, external_id: str, model: str, number: int) -> None:
    """Add the external id that a row of an import has for a record in a list."""
    module, name = external_id.split(".", 1) if "." in external_id else (module, external_id)
    env.create("ir.model.data", {"module": module, "name": name, "model": model, "res_id": number})


def write_records(env: "Environment", model: str, numbers: Sequence[int], values: Mapping[str, Any]) -> None:
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
        env.database.write(model, number, _apply_changes(env, model, row, changes))
        _require_values(env, model, env.find(model, number))
        _write_lists(env, model, number, given)
        _write_others(env, model, number, given)
    if definition.after_write:
        definition.after_write(env, list(numbers), given)


def delete_records(env: "Environment", model: str, numbers: Sequence[int]) -> None:
    """Delete records. What refers to them is deleted or cleared as its field says; ValidationError if it may not be."""
    definition = env.models[model]
    if definition.before_unlink:
        definition.before_unlink(env, list(numbers))
    for number in numbers:
        if env.database.find(model, number) is None:
            continue
        for other, field in _list_referring_fields(env, model):
            _release(env, other, field, sorted(env.database.find_referring(other, field.name, number)))
        for kind in ("ir.model.data", "ir.attachment"):
            for owned in env.database.find_owned(model, number, kind):
                env.database.write(kind, owned, None)
        env.database.write(model, number, None)


def touch(env: "Environment", model: str, number: int) -> None:
    """Set the time of a record's last change to the beginning of the transaction."""
    row = env.find(model, number)
    if row["write_date"] != env.now:
        env.database.write(model, number, {**row, "write_date": env.now, "write_uid": env.user})


def update_row(env: "Environment", model: str, number: int, **values: Any) -> None:
    """Change stored values without what depends on them, as the server does for its own fields."""
    env.database.write(model, number, {**env.find(model, number), **values, "write_date": env.now})


def _is_plain(field: FieldDefinition) -> bool:
    return field.is_stored and not field.compute and not field.through and field.type not in TO_MANY


def _convert(model: str, field: FieldDefinition, value: Any) -> Any:
    try:
        return field.convert(value)
    except (TypeError, ValueError):
        if field.type == "selection":
            raise build_value_error(f"Wrong value for {model}.{field.name}: {value!r}") from None
        raise build_value_error(f"could not convert {value!r} for {model}.{field.name}") from None


def _apply_changes(env: "Environment", model: str, row: Row, changes: Row) -> Row:
    fields = env.get_fields(model)
    if env.language == "en_US":
        return {**row, **changes}
    translated = {name: value for name, value in changes.items() if fields[name].translate}
    language = {**row.get("_lang", {}).get(env.language, {}), **translated}
    changed = {**row, **{name: value for name, value in changes.items() if name not in translated}}
    return {**changed, "_lang": {**row.get("_lang", {}), env.language: language}} if translated else changed


def _require_values(env: "Environment", model: str, row: Row) -> None:
    for name, field in env.get_fields(model).items():
        if field.required and _is_plain(field) and row.get(name) is None and field.type not in NUMERIC:
            raise MissingValueError(model, env.models[model].description, name, field.string)


def _write_lists(env: "Environment", model: str, number: int, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        field = env.get_fields(model)[name]
        if field.type in TO_MANY and not field.through and not field.compute:
            apply_commands(env, model, number, field, value)


def _write_others(env: "Environment", model: str, number: int, values: Mapping[str, Any]) -> None:
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


def apply_commands(env: "Environment", model: str, number: int, field: FieldDefinition, commands: Any) -> None:
    """Apply commands such as `[0, 0, values]` or `[6, 0, ids]` to a list. A list of ids replaces it."""
    commands = commands or []
    if commands and all(isinstance(item, int) for item in commands):
        commands = [[6, 0, commands]]
    for command in commands:
        if not isinstance(command, list | tuple) or not command:
            raise build_value_error(f"Wrong command {command!r} for {model}.{field.name}")
        code, target, value = (*command, 0, 0)[:3] if len(command) < 3 else command[:3]
        if field.type == "one2many":
            _apply_to_children(env, number, field, code, target, value)
        else:
            _apply_to_links(env, model, number, field, code, target, value)


def _apply_to_children(
    env: "Environment", number: int, field: FieldDefinition, code: int, target: int, value: Any
) -> None:
    children = env.database.find_referring(field.relation, field.inverse_name, number)
    match code:
        case 0:
            env.create(field.relation, {**value, field.inverse_name: number})
        case 1:
            env.write(field.relation, [target], value)
        case 2:
            env.unlink(field.relation, [target])
        case 3 | 5:
            _detach_children(env, field, [target] if code == 3 else sorted(children))
        case 4:
            if target not in children:
                env.write(field.relation, [target], {field.inverse_name: number})
        case 6:
            _detach_children(env, field, sorted(children - set(value)))
            for child in value:
                if child not in children:
                    env.write(field.relation, [child], {field.inverse_name: number})


def _detach_children(env: "Environment", field: FieldDefinition, children: list[int]) -> None:
    if not children:
        return
    link = env.get_fields(field.relation)[field.inverse_name]
    if link.ondelete == "cascade":
        env.unlink(field.relation, children)
    else:
        env.write(field.relation, children, {field.inverse_name: False})


def _apply_to_links(
    env: "Environment", model: str, number: int, field: FieldDefinition, code: int, target: int, value: Any
) -> None:
    linked: list[int] = list(env.find(model, number).get(field.name) or [])
    match code:
        case 0:
            linked.append(env.create(field.relation, value))
        case 1:
            env.write(field.relation, [target], value)
        case 2:
            env.unlink(field.relation, [target])
            linked = [item for item in linked if item != target]
        case 3:
            linked = [item for item in linked if item != target]
        case 4:
            linked.append(target)
        case 5:
            linked = []
        case 6:
            linked = list(value)
    for item in set(linked):
        if env.database.find(field.relation, item) is None:
            raise MissingError(f"Record does not exist or has been deleted.\n(Record: {field.relation}({item},))")
    row = env.find(model, number)
    env.database.write(model, number, {**row, field.name: list(dict.fromkeys(linked))})


def _list_referring_fields(env: "Environment", model: str) -> list[tuple[str, FieldDefinition]]:
    return [
        (other, definition.fields[name])
        for other, definition in env.models.items()
        for name in definition.links
        if definition.fields[name].relation == model
    ]


def _release(env: "Environment", other: str, field: FieldDefinition, numbers: list[int]) -> None:
    if not numbers:
        return
    if field.ondelete == "cascade":
        env.unlink(other, numbers)
    elif field.ondelete == "restrict":
        raise ValidationError(
            "The operation cannot be completed: another model requires the record being deleted. If possible, archive"
            f" it instead.\n\nModel: {env.models[other].description} ({other})\nConstraint:"
            f" {other.replace('.', '_')}_{field.name}_fkey"
        )
    else:
        for number in numbers:
            env.database.write(other, number, {**env.find(other, number), field.name: None})
