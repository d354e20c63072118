"""Which layout a platform's document has."""

from contracts.events import parse_platform
from spaces_writer.layouts import Layout, shopify
from spaces_writer.layouts.plain import layout_of

LAYOUTS: dict[str, Layout] = {"shopify": shopify.pieces}
PLAIN = layout_of("page")


def layout_for(connection: str) -> Layout:
    """The layout of this connection's document."""
    return LAYOUTS.get(parse_platform(connection), PLAIN)
