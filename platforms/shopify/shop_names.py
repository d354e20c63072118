"""Validates the names of shops. A name must be validated here before it becomes part of a URL."""

import re

SHOP_DOMAIN = r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com"
"""A regular expression of the domains of shops."""
_DOMAIN = re.compile(SHOP_DOMAIN)
_HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_URL = re.compile(
    r"(?:https?://)?(?:([a-z0-9-]+)\.myshopify\.com|admin\.shopify\.com/store/([a-z0-9-]+))(?:[/?#][!-~]*)?"
)
"""A URL that merchants copy out of their browser: of the shop, or of its admin."""


def parse_shop_domain(text: str) -> str | None:
    """Return `text` in lower case when it is a shop's domain, e.g. `acme.myshopify.com`; otherwise None."""
    lowered = _lower(text)
    return lowered if _DOMAIN.fullmatch(lowered) else None


def derive_shop_domain(text: str) -> str | None:
    """Return the domain of the shop that a merchant names with `text`; None when it names no shop.

    The text is the shop's handle (`acme`), its domain, or a URL of the shop or of its admin
    (`https://admin.shopify.com/store/acme/products`).
    """
    lowered = _lower(text)
    url = _URL.fullmatch(lowered)
    handle = (url[1] or url[2]) if url else lowered
    return f"{handle}.myshopify.com" if _HANDLE.fullmatch(handle) else None


def _lower(text: str) -> str:
    # Lower-casing would turn the Kelvin sign into a k: what is not ASCII is refused before.
    return text.lower() if text.isascii() else ""
