"""Validates the URL of a service's Postgres database. The query of the URL may have the TLS parameters of libpq."""

import ssl
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, SecretStr

from messaging.tls import create_context, load_certificate

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "target_session_attrs")
"""The parameters that the query may have. Others are refused, because asyncpg would send them to Postgres as settings
of the session."""
_FORM = (
    "must be postgresql://user:password@host:port/database, "
    "with each of @ : / ? # % & in user and password percent-encoded (%40 for @)"
)


def validate_url(url: str) -> str:
    """Return `url` unchanged if it is well-formed and its certificate files can be read.

    Otherwise raises `ValueError`. Its text says what is wrong and shows neither the user name nor the password.
    """
    parameters = _parse_parameters(_split_url(url))
    if unknown := [name for name in parameters if name not in PARAMETERS]:
        raise ValueError(f"has {', '.join(unknown)} in its query, where there may be {', '.join(PARAMETERS)}")
    mode, ca_file = parameters.get("sslmode", "prefer"), parameters.get("sslrootcert", "")
    if mode not in MODES:
        raise ValueError(f"sslmode={mode}: must be one of {', '.join(MODES)}")
    if ca_file == "system" and mode != "verify-full":
        raise ValueError("sslrootcert=system: must go with sslmode=verify-full")
    if mode.startswith("verify-") and not ca_file:
        raise ValueError(f"sslmode={mode}: needs sslrootcert, a file of certificates in PEM, or system")
    _create_context(parameters)
    return url


def create_system_tls_context(url: str) -> ssl.SSLContext | None:
    """Return a TLS context that trusts the system's certificate authorities if the URL has `sslrootcert=system`.

    asyncpg does not support this parameter. Returns None for any other URL, because asyncpg then creates the TLS
    context itself from the URL.
    """
    parameters = _parse_parameters(_split_url(url))
    return _create_context(parameters) if parameters.get("sslrootcert") == "system" else None


def _split_url(url: str) -> SplitResult:
    """Split a URL into its parts.

    Raises `ValueError` for a malformed URL. A URL with an unencoded `/`, `?` or `#` in its password is malformed too,
    because a part of the password would be taken for a path, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_FORM) from None
    hosts = parts.netloc.rpartition("@")[2].split(",")
    ports = [host.rpartition("]")[2].rpartition(":")[2] for host in hosts if ":" in host.rpartition("]")[2]]
    is_ambiguous = "@" in parts.path + parts.query + parts.fragment or parts.fragment
    if parts.scheme not in ("postgresql", "postgres") or is_ambiguous or not all(port.isdecimal() for port in ports):
        raise ValueError(_FORM)
    return parts


def _parse_parameters(parts: SplitResult) -> dict[str, str]:
    try:
        return dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(_FORM) from None


def _create_context(parameters: dict[str, str]) -> ssl.SSLContext:
    ca_file = parameters.get("sslrootcert", "")
    certificate = {name: parameters.get(name, "") for name in ("sslcert", "sslkey")}
    try:
        context = create_context("" if ca_file == "system" else ca_file)
    except ValueError as error:
        raise ValueError(f"sslrootcert: {error}") from None
    if any(certificate.values()) and not all(certificate.values()):
        raise ValueError("sslcert and sslkey: must be given together")
    if any(certificate.values()):
        try:
            load_certificate(context, *certificate.values())
        except ValueError as error:
            raise ValueError(f"sslcert, sslkey: {error}") from None
    return context


def _validate_secret(url: SecretStr) -> SecretStr:
    validate_url(url.get_secret_value())
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_validate_secret)]
"""The type of a setting that holds a database URL. `validate_url` validates it."""
