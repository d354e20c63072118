"""Which layout a platform's document has."""

from contracts.events import platform_of
from spaces_writer.layouts import Layout, shopify
from spaces_writer.layouts.plain import layout_of

LAYOUTS: dict[str, Layout] = {"shopify": shopify.pieces}
PLAIN = layout_of("page")


def layout_for(connection: str) -> Layout:
    """The layout of this connection's document."""
    return LAYOUTS.get(platform_of(connection), PLAIN)
