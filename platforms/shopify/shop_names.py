"""Validates the names of shops. A name must be validated here before it becomes part of a URL."""

import re

_DOMAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
_HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def parse_shop_domain(text: str) -> str | None:
    """Return `text` in lower case when it is a shop's domain, e.g. `acme.myshopify.com`; otherwise None."""
    lowered = _lower(text)
    return lowered if _DOMAIN.fullmatch(lowered) else None


def parse_shop_name(text: str) -> str | None:
    """Return the domain of the shop whose handle (`acme`) or domain is `text`; None for anything else."""
    lowered = _lower(text)
    return f"{lowered}.myshopify.com" if _HANDLE.fullmatch(lowered) else parse_shop_domain(text)


def _lower(text: str) -> str:
    # Lower-casing would turn the Kelvin sign into a k: what is not ASCII is refused before.
    return text.lower() if text.isascii() else ""
