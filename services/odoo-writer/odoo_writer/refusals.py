"""Why a request is refused, and what follows from the errors of Odoo when it is written."""

from platform_sdk.errors import AccessDeniedError, PermanentError

ODOO_DATA, ACCESS_DENIED, CURRENCY = "odoo_data", "access_denied", "currency"
"""Reason codes, as links know them."""
GONE = "the record is not there any more"


class RefusedWriteError(Exception):
    """A request will not be carried out, however often it comes. `reason` is a sentence for people."""

    def __init__(self, reason: str, code: str = ODOO_DATA) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def build_refusal(error: PermanentError) -> RefusedWriteError:
    """Return why a request is refused that Odoo has answered with an error about its record."""
    return RefusedWriteError(error.reason, ACCESS_DENIED if isinstance(error, AccessDeniedError) else ODOO_DATA)
