"""The errors of an Odoo server: each has the name that clients see, and the codes of the three transports."""

from typing import ClassVar


class OdooError(Exception):
    """An error that the server answers with. `name` is its Python name, `fault` its code in XML-RPC.

    `status` is the HTTP status in JSON-2. The other transports answer with 200.
    """

    name: ClassVar[str] = "odoo.exceptions.UserError"
    fault: ClassVar[int] = 2
    status: ClassVar[int] = 422

    def __init__(self, message: str, *further: object) -> None:
        super().__init__(message)
        self.message = message
        self.arguments = [message, *further]


class RefusedError(OdooError):
    """The user asks for something that is not possible."""


class ValidationError(OdooError):
    """Values break a rule of the model."""

    name = "odoo.exceptions.ValidationError"


class MissingValueError(ValidationError):
    """A field that must have a value has none. `label` is what people call the field."""

    def __init__(self, model: str, description: str, field: str, label: str) -> None:
        super().__init__(
            "The operation cannot be completed:\n- Create/update: a mandatory field is not set.\n"
            "- Delete: another model requires the record being deleted. If possible, archive it instead.\n\n"
            f"Model: {description} ({model})\nField: {label} ({field})\n"
        )
        self.field = field
        self.label = label


class RedirectWarning(OdooError):
    """A person should go elsewhere first."""

    name = "odoo.exceptions.RedirectWarning"


class MissingError(OdooError):
    """The record was deleted."""

    name, status = "odoo.exceptions.MissingError", 404


class AccessError(OdooError):
    """The user lacks a right."""

    name, fault, status = "odoo.exceptions.AccessError", 4, 403


class AccessDenied(OdooError):
    """The login or the key is wrong."""

    name, fault, status = "odoo.exceptions.AccessDenied", 3, 403


class ServerFault(OdooError):
    """An error that is not meant for users. `name` says which, e.g. `builtins.ValueError`."""

    fault, status = 1, 500

    def __init__(self, name: str, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.name = name  # type: ignore[misc]
        self.status = status  # type: ignore[misc]


def build_value_error(message: str) -> ServerFault:
    """Build a ValueError, which is what wrong names of fields and wrong domains lead to."""
    return ServerFault("builtins.ValueError", message)


def build_concurrency_error(name: str = "SerializationFailure") -> ServerFault:
    """Build an error of the database for two transactions that change the same rows."""
    messages = {
        "SerializationFailure": "could not serialize access due to concurrent update\n",
        "LockNotAvailable": "could not obtain lock on row in relation\n",
        "DeadlockDetected": "deadlock detected\n",
    }
    return ServerFault(f"psycopg2.errors.{name}", messages[name])
