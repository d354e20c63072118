"""What an answer of Odoo means that is no result. Errors are recognised by their names; their texts are translated."""

import re

from platform_sdk.errors import (
    AccessDeniedError,
    AccountBlockedError,
    PermanentError,
    TokenRejectedError,
    TransientError,
)

MAX_REASON_CHARACTERS = 300
_BUSY = frozenset(
    {
        "SerializationFailure",
        "TransactionRollbackError",
        "DeadlockDetected",
        "LockNotAvailable",
        "QueryCanceled",
        "OperationalError",
        "InterfaceError",
        "AdminShutdown",
        "TooManyConnections",
        "PoolError",
        "TimeoutError",
        "TooManyRequests",
        "ServiceUnavailable",
        "InternalServerError",
        "BadGateway",
        "GatewayTimeout",
    }
)
_KEY_REFUSED = frozenset({"AccessDenied", "Unauthorized"})
_MISSING_DATABASE = re.compile(r'database "[^"]*" does not exist')
_UNKNOWN_FIELD = re.compile(r"Invalid field |Unknown field |has no field ")
_UNKNOWN_EXTERNAL_ID = "External ID not found"
"""Odoo's own text where a lookup by an external id finds nothing. It is not translated, and has no name of its own."""
_CONFLICT = "could not serialize access"
"""PostgreSQL's own text, which is never translated by Odoo, e.g. within the messages of `load`."""


class KeyRefusedError(TokenRejectedError):
    """Odoo does not accept the login and key, or not now: after five refusals it refuses right ones for a minute."""


class DatabaseMissingError(AccountBlockedError):
    """The server has no database of this name, or does not show it."""

    def __init__(self) -> None:
        super().__init__("not at its address: the server has no database of this name")


class TransportMovedError(TransientError):
    """What should be an answer of the API is none: a page, for example. Another version may be there by now."""


class NotOdooError(PermanentError):
    """There is no Odoo at the address, or it leads elsewhere. `reason` says what to correct."""


class UnknownFieldError(PermanentError):
    """The database has no such field any more, or none yet. Its fields must be asked for again."""


class MissingRecordError(PermanentError):
    """A record that was named does not exist, or not any more."""


def build_error(name: str, message: str) -> Exception:
    """Return the error that follows from an error of Odoo. `name` is its full name, `odoo.exceptions.UserError`.

    The text is the first line of Odoo's `message`, which names records and fields and holds no key.
    """
    kind = name.rpartition(".")[2]
    line = next((line.strip() for line in message.splitlines() if line.strip()), kind)[:MAX_REASON_CHARACTERS]
    if _MISSING_DATABASE.search(message):
        return DatabaseMissingError()
    if kind in _KEY_REFUSED:
        return KeyRefusedError()
    if kind in ("AccessError", "Forbidden"):
        return AccessDeniedError(line)
    if kind == "MissingError" or _UNKNOWN_EXTERNAL_ID in message:
        return MissingRecordError(line)
    if kind in _BUSY or _CONFLICT in message:
        return TransientError(f"Odoo is busy ({kind})")
    if _UNKNOWN_FIELD.search(message):
        return UnknownFieldError(line, retryable=True)
    return PermanentError(f"Odoo refuses the call: {line}")
