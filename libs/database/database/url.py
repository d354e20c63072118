"""Where a service's Postgres is: one URL, with libpq's words for TLS in its query."""

import ssl
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, SecretStr

from messaging.tls import create_context, load_certificate

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
WORDS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "target_session_attrs")
"""What may stand in the query. asyncpg would take any other word for a setting of the server."""
_FORM = (
    "must be postgresql://user:password@host:port/database, "
    "in user and password each of @ : / ? # % & by its code (%40 for @)"
)


def validate_url(url: str) -> str:
    """`url`, if it is whole and its files are there and in PEM. Raises ValueError, which names what is wrong, and
    nothing of user and password."""
    words = _words(_parts(url))
    if unknown := [word for word in words if word not in WORDS]:
        raise ValueError(f"has {', '.join(unknown)} in its query, where there may be {', '.join(WORDS)}")
    mode, authorities = words.get("sslmode", "prefer"), words.get("sslrootcert", "")
    if mode not in MODES:
        raise ValueError(f"sslmode={mode}: must be one of {', '.join(MODES)}")
    if authorities == "system" and mode != "verify-full":
        raise ValueError("sslrootcert=system: must go with sslmode=verify-full")
    if mode.startswith("verify-") and not authorities:
        raise ValueError(f"sslmode={mode}: needs sslrootcert, a file of authorities in PEM, or system")
    _context(words)
    return url


def create_tls_context(url: str) -> ssl.SSLContext | None:
    """TLS where asyncpg does not make it of the URL by itself: it knows no `sslrootcert=system`."""
    words = _words(_parts(url))
    return _context(words) if words.get("sslrootcert") == "system" else None


def _parts(url: str) -> SplitResult:
    """The parts of an address whose user and password cannot have been taken for something else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_FORM) from None
    hosts = parts.netloc.rpartition("@")[2].split(",")
    ports = [host.rpartition("]")[2].rpartition(":")[2] for host in hosts if ":" in host.rpartition("]")[2]]
    strayed = "@" in parts.path + parts.query + parts.fragment or parts.fragment
    if parts.scheme not in ("postgresql", "postgres") or strayed or not all(port.isdecimal() for port in ports):
        raise ValueError(_FORM)
    return parts


def _words(parts: SplitResult) -> dict[str, str]:
    try:
        return dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(_FORM) from None


def _context(words: dict[str, str]) -> ssl.SSLContext:
    authorities, shown = words.get("sslrootcert", ""), {name: words.get(name, "") for name in ("sslcert", "sslkey")}
    try:
        context = create_context("" if authorities == "system" else authorities)
    except ValueError as error:
        raise ValueError(f"sslrootcert: {error}") from None
    if any(shown.values()) and not all(shown.values()):
        raise ValueError("sslcert and sslkey: must be given together")
    if any(shown.values()):
        try:
            load_certificate(context, *shown.values())
        except ValueError as error:
            raise ValueError(f"sslcert, sslkey: {error}") from None
    return context


def _secret(url: SecretStr) -> SecretStr:
    validate_url(url.get_secret_value())
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_secret)]
"""A setting of such an address."""
