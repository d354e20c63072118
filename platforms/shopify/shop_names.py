"""Names of shops. No address is made of a name that has not passed here."""

import re

_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
_HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def parse_shop_domain(text: str) -> str | None:
    """Return a shop's domain in lower case, e.g. `acme.myshopify.com`; None for anything else."""
    lowered = _lower(text)
    return lowered if _DOMAIN.fullmatch(lowered) else None


def parse_shop_name(text: str) -> str | None:
    """Return the domain of the shop that is named by its handle (`acme`) or its domain; None for anything else."""
    lowered = _lower(text)
    return f"{lowered}.myshopify.com" if _HANDLE.fullmatch(lowered) else parse_shop_domain(text)


def _lower(text: str) -> str:
    # Lower-casing would turn the Kelvin sign into a k: what is not ASCII is refused before.
    return text.lower() if text.isascii() else ""
