"""The rights of the users on models."""

from sandbox.odoo.environment import Environment
from sandbox.odoo.errors import AccessError, build_value_error

OPERATIONS = ("read", "write", "create", "unlink")
_VERBS = {"read": "access", "write": "modify", "create": "create", "unlink": "delete"}


def has_right(env: Environment, model: str, operation: str) -> bool:
    """Return whether the user may do this with the records of the model."""
    if operation not in OPERATIONS:
        raise build_value_error(f"Invalid access mode {operation!r}")
    return operation not in env.database.denied_rights.get(model, ())


def check_right(env: Environment, model: str, operation: str) -> None:
    """Raise AccessError unless the user may do this with the records of the model."""
    if has_right(env, model, operation):
        return
    description = env.models[model].description
    records = f"'{description}' ({model})"
    raise AccessError(
        f"You are not allowed to {_VERBS[operation]} {records} records.\n\n"
        "No group currently allows this operation.\n\nContact your administrator to request access if necessary."
    )
