"""Commands for lists, e.g. `[0, 0, values]` to create a member or `[6, 0, ids]` to replace all."""

from typing import TYPE_CHECKING, Any

from sandbox.odoo.errors import MissingError, build_value_error
from sandbox.odoo.fields import FieldDefinition

if TYPE_CHECKING:
    from sandbox.odoo.environment import OdooEnvironment


def apply_commands(env: "OdooEnvironment", model: str, number: int, field: FieldDefinition, commands: Any) -> None:
    """Apply commands such as `[0, 0, values]` or `[6, 0, ids]` to a list. A list of ids replaces it."""
    if commands is False or commands is None:
        commands = [[5, 0, 0]]
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
    env: "OdooEnvironment", number: int, field: FieldDefinition, code: int, target: int, value: Any
) -> None:
    children = env.database.find_referring(field.relation, field.inverse_name, number)
    match code:
        case 0:
            env.create(field.relation, {**value, field.inverse_name: number})
        case 1:
            env.write(field.relation, [target], value)
        case 2:
            env.delete(field.relation, [target])
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


def _detach_children(env: "OdooEnvironment", field: FieldDefinition, children: list[int]) -> None:
    if not children:
        return
    link = env.get_fields(field.relation)[field.inverse_name]
    if link.ondelete == "cascade":
        env.delete(field.relation, children)
    else:
        env.write(field.relation, children, {field.inverse_name: False})


def _apply_to_links(
    env: "OdooEnvironment", model: str, number: int, field: FieldDefinition, code: int, target: int, value: Any
) -> None:
    linked: list[int] = list(env.find(model, number).get(field.name) or [])
    match code:
        case 0:
            linked.append(env.create(field.relation, value))
        case 1:
            env.write(field.relation, [target], value)
        case 2:
            env.delete(field.relation, [target])
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
