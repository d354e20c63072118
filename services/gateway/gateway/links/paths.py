"""The paths of the pages for links."""

from urllib.parse import quote, urlencode


def build_link_path(shop: str) -> str:
    """Return the path of the page of a shop's link."""
    return f"/links/{quote(shop, safe='/:')}"


def build_new_link_path(shop: str) -> str:
    """Return the path of the page on which a link of a shop is made."""
    return f"/links/new?{urlencode({'shop': shop}, safe='/:')}"
