"""The methods of models that clients may call, with their parameters in Odoo's own names and order."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.odoo import access, loading, reading
from sandbox.odoo.environment import OdooEnvironment
from sandbox.odoo.errors import AccessError, RefusedError, ServerFault, build_value_error
from sandbox.odoo.fields import NEWEST, OLDEST
from sandbox.odoo.models import inventory, sales, stock_moves

Ids = list[int]


@dataclass(frozen=True, slots=True)
class MethodDefinition:
    """A method. `run` gets the environment, the model, the ids if it `needs_ids`, and what the client sends.

    `right` is the right that the user needs on the model.
    """

    run: Callable[..., Any]
    needs_ids: bool
    right: str = ""
    since: int = OLDEST
    until: int = NEWEST

    def bind(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters by name. Raises TypeError if they are not what the method takes."""
        skipped = 3 if self.needs_ids else 2
        signature = inspect.signature(self.run)
        parameters = list(signature.parameters.values())[skipped:]
        bound = signature.replace(parameters=parameters).bind(*arguments, **named)
        return dict(bound.arguments)


def search(
    env: OdooEnvironment, model: str, domain: Any, offset: int = 0, limit: int | None = None, order: str | None = None
) -> Ids:
    """Return the ids of the records that match a domain."""
    return env.search(model, domain or [], order=order or "", offset=offset or 0, limit=limit)


def search_count(env: OdooEnvironment, model: str, domain: Any, limit: int | None = None) -> int:
    """Return the number of records that match a domain."""
    return env.count(model, domain or [], limit)


def search_read(
    env: OdooEnvironment, model: str, domain: Any = None, fields: list[str] | None = None, offset: int = 0,
    limit: int | None = None, order: str | None = None, load: str | None = "_classic_read",
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the records that match a domain."""
    numbers = search(env, model, domain, offset, limit, order)
    return reading.read_records(env, model, numbers, fields, with_names=bool(load))


def read(
    env: OdooEnvironment, model: str, ids: Ids, fields: list[str] | None = None, load: str | None = "_classic_read"
) -> list[dict[str, Any]]:
    """Return records."""
    return reading.read_records(env, model, ids, fields, with_names=bool(load))


def create(env: OdooEnvironment, model: str, vals_list: Any) -> Ids:
    """Create records and return their ids."""
    return [env.create(model, values) for values in (vals_list if isinstance(vals_list, list) else [vals_list])]


def write(env: OdooEnvironment, model: str, ids: Ids, vals: dict[str, Any]) -> bool:
    """Change records."""
    env.write(model, ids, vals)
    return True


def delete(env: OdooEnvironment, model: str, ids: Ids) -> bool:
    """Delete records."""
    env.delete(model, ids)
    return True


def list_existing(env: OdooEnvironment, model: str, ids: Ids) -> Ids:
    """Return those ids that have records."""
    return [number for number in ids if env.database.find(model, number)]


def describe_fields(
    env: OdooEnvironment, model: str, allfields: list[str] | None = None, attributes: list[str] | None = None
) -> dict[str, Any]:
    """Return the fields of a model."""
    return reading.describe_fields(env, model, allfields, attributes)


def search_names(
    env: OdooEnvironment, model: str, name: str = "", domain: Any = None, operator: str = "ilike", limit: int = 100
) -> list[Any]:
    """Return the ids and names of the records whose name matches."""
    rec_name = env.models[model].rec_name
    condition = [(rec_name, operator, name)] if name else []
    found = env.search(model, [*(domain or []), *condition], limit=limit)
    return [[number, env.build_name(model, env.find(model, number))] for number in found]


def search_names_before_19(
    env: OdooEnvironment, model: str, name: str = "", args: Any = None, operator: str = "ilike", limit: int = 100
) -> list[Any]:
    """Return the ids and names of the records whose name matches."""
    return search_names(env, model, name, args, operator, limit)


def get_defaults(env: OdooEnvironment, model: str, fields_list: list[str] | None = None) -> dict[str, Any]:
    """Return the default values of fields."""
    found = {}
    for name, field in env.get_fields(model).items():
        if (not fields_list or name in fields_list) and field.default is not None and not field.is_internal:
            found[name] = field.default(env) if callable(field.default) else field.default
    return found


def load(env: OdooEnvironment, model: str, fields: list[str], data: list[list[Any]]) -> dict[str, Any]:
    """Create or change records from rows of text, by external ids."""
    return loading.load_rows(env, model, fields, data)


def has_access(env: OdooEnvironment, model: str, _ids: Ids, operation: str) -> bool:
    """Return whether the user may do this with the records."""
    return access.has_right(env, model, operation)


def check_access_rights(env: OdooEnvironment, model: str, operation: str, raise_exception: bool = True) -> bool:
    """Return whether the user may do this with the model; without the right, raise AccessError if asked to."""
    if raise_exception:
        access.check_right(env, model, operation)
    return access.has_right(env, model, operation)


def deactivate(env: OdooEnvironment, model: str, ids: Ids) -> bool:
    """Archive records."""
    env.write(model, [n for n in ids if env.read_value(model, n, "active")], {"active": False})
    return True


def activate(env: OdooEnvironment, model: str, ids: Ids) -> bool:
    """Take records out of the archive."""
    env.write(model, [n for n in ids if not env.read_value(model, n, "active")], {"active": True})
    return True


def toggle_active(env: OdooEnvironment, model: str, ids: Ids) -> None:
    """Archive those records that are not archived, and take the others out of the archive."""
    for number in ids:
        env.write(model, [number], {"active": not env.read_value(model, number, "active")})


def get_context(env: OdooEnvironment, _model: str) -> dict[str, Any]:
    """Return the language, the time zone and the id of the user."""
    row = env.find("res.users", env.user)
    return {"lang": row["lang"], "tz": row["tz"] or False, "uid": env.user}


def check_object_reference(
    env: OdooEnvironment, _model: str, module: str, xml_id: str, raise_on_access_error: bool = False
) -> list[Any]:
    """Return model and id of the record with an external id; False for the id of one that the user does not see.

    Anybody may call it, whatever their rights on `ir.model.data` are.
    """
    found = env.database.find_external_id(module, xml_id)
    if found is None:
        raise build_value_error(f"External ID not found in the system: {module}.{xml_id}")
    model, number = found["model"], found["res_id"]
    access.check_right(env, model, "read")
    if env.search(model, [("id", "=", number)]):
        return [model, number]
    if raise_on_access_error:
        raise AccessError(f'Not enough access rights on the external ID "{module}.{xml_id}"')
    return [model, False]


METHODS: dict[str, MethodDefinition] = {
    "search": MethodDefinition(search, needs_ids=False, right="read"),
    "search_count": MethodDefinition(search_count, needs_ids=False, right="read"),
    "search_read": MethodDefinition(search_read, needs_ids=False, right="read"),
    "read": MethodDefinition(read, needs_ids=True, right="read"),
    "create": MethodDefinition(create, needs_ids=False, right="create"),
    "write": MethodDefinition(write, needs_ids=True, right="write"),
    "unlink": MethodDefinition(delete, needs_ids=True, right="unlink"),
    "exists": MethodDefinition(list_existing, needs_ids=True),
    "fields_get": MethodDefinition(describe_fields, needs_ids=False),
    "name_search": MethodDefinition(search_names, needs_ids=False, right="read"),
    "default_get": MethodDefinition(get_defaults, needs_ids=False),
    "load": MethodDefinition(load, needs_ids=False),
    "has_access": MethodDefinition(has_access, needs_ids=True, since=18),
    "check_access_rights": MethodDefinition(check_access_rights, needs_ids=False),
    "action_archive": MethodDefinition(deactivate, needs_ids=True, right="write"),
    "action_unarchive": MethodDefinition(activate, needs_ids=True, right="write"),
    "toggle_active": MethodDefinition(toggle_active, needs_ids=True, right="write"),
}
"""The methods that every model has."""

MODEL_METHODS: dict[tuple[str, str], MethodDefinition] = {
    ("ir.model.data", "check_object_reference"): MethodDefinition(check_object_reference, needs_ids=False),
    ("res.users", "context_get"): MethodDefinition(get_context, needs_ids=False),
    (sales.ORDER, "action_confirm"): MethodDefinition(sales.confirm_orders, needs_ids=True, right="write"),
    (sales.ORDER, "action_cancel"): MethodDefinition(sales.cancel_orders, needs_ids=True, right="write"),
    (sales.ORDER, "action_lock"): MethodDefinition(sales.lock_orders, needs_ids=True, right="write"),
    (sales.ORDER, "action_unlock"): MethodDefinition(sales.unlock_orders, needs_ids=True, right="write"),
    (stock_moves.QUANT, "action_clear_inventory_quantity"): MethodDefinition(
        inventory.clear_counts, needs_ids=True, right="write"
    ),
    (inventory.ADJUSTMENT, "action_apply"): MethodDefinition(
        inventory.apply_named_counts, needs_ids=True, right="write"
    ),
    (stock_moves.QUANT, "create"): MethodDefinition(inventory.create_quants, needs_ids=False, right="create"),
    (stock_moves.QUANT, "action_apply_inventory"): MethodDefinition(
        inventory.apply_inventory, needs_ids=True, right="write"
    ),
}
"""The methods that one model has."""


def find_method(env: OdooEnvironment, model: str, name: str) -> MethodDefinition:
    """Return a method. Raises RefusedError, AccessError or ServerFault if clients cannot call it."""
    if model not in env.models:
        raise RefusedError(f"Object {model} doesn't exist")
    if name.startswith("_"):
        raise AccessError(f"Private methods (such as '{model}.{name}') cannot be called remotely.")
    if name == "name_search" and env.version < NEWEST:
        return MethodDefinition(search_names_before_19, needs_ids=False, right="read")
    method = MODEL_METHODS.get((model, name)) or METHODS.get(name)
    if method is None or not method.since <= env.version <= method.until:
        raise ServerFault("builtins.AttributeError", f"The method '{model}.{name}' does not exist")
    return method


def call_positional(env: OdooEnvironment, model: str, name: str, arguments: list[Any], named: dict[str, Any]) -> Any:
    """Call a method as JSON-RPC and XML-RPC do: the ids first, then what the method takes by position and name."""
    method = find_method(env, model, name)
    named = dict(named)
    env = env.extend_context(**(named.pop("context", None) or {}))
    if (name == "create" or method.needs_ids) and not arguments:
        raise ServerFault("builtins.IndexError", "tuple index out of range")
    ids = _parse_ids(arguments[0]) if method.needs_ids else None
    try:
        parameters = method.bind(arguments[1:] if method.needs_ids else arguments, named)
    except TypeError as error:
        raise ServerFault("builtins.TypeError", f"{model}.{name}() {error}") from None
    result = run_method(env, model, method, ids, parameters)
    return result[0] if name == "create" and isinstance(arguments[0], dict) else result


def run_method(
    env: OdooEnvironment, model: str, method: MethodDefinition, ids: Ids | None, parameters: dict[str, Any]
) -> Any:
    """Run a method within the running transaction, if the user may."""
    if method.right:
        access.check_right(env, model, method.right)
    try:
        if ids is None:
            return method.run(env, model, **parameters)
        return method.run(env, model, ids, **parameters)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ServerFault(f"builtins.{type(error).__name__}", str(error)) from error


def _parse_ids(value: Any) -> Ids:
    if value is None or value is False:
        return []
    numbers = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(number, int) for number in numbers):
        raise build_value_error(f"Invalid ids {value!r}")
    return list(numbers)
