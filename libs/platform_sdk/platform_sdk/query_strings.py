"""Parses the query string of an OAuth callback."""

from urllib.parse import parse_qsl

from platform_sdk.errors import RequestRejectedError

MAX_FIELDS = 50


def parse_query(query: bytes) -> dict[str, str]:
    """Return the parameters of a query string. Raises RequestRejectedError for a malformed or repeated parameter."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise RequestRejectedError(400, "the address is malformed") from error
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise RequestRejectedError(400, "the address holds a parameter twice")
    return parameters


def require_parameters(parameters: dict[str, str], *names: str) -> None:
    """Raise RequestRejectedError when one of these parameters is missing or empty."""
    for name in names:
        if not parameters.get(name):
            raise RequestRejectedError(400, f"the parameter {name} is missing")
