"""The document of a merchant."""

from spaces_writer.merchant_document import build_merchant_document
from writer_builders import MERCHANT


def test_a_merchants_document_lists_its_connections_in_order() -> None:
    body = build_merchant_document(MERCHANT, [("shopify:b", "b/k", "connected"), ("facebook:1", None, "uninstalled")])
    assert body == (
        b'{"connections":[{"connection":"facebook:1","key":null,"state":"uninstalled"},'
        b'{"connection":"shopify:b","key":"b/k","state":"connected"}],"merchant":"%s"}' % str(MERCHANT).encode()
    )
