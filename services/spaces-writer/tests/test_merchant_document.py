"""The document of a merchant."""

from spaces_writer.merchant_document import build_merchant_document
from writer_builders import MERCHANT


def test_a_merchants_document_lists_its_connections_in_order() -> None:
    body = build_merchant_document(MERCHANT, [("other:b", "connected"), ("facebook:1", "uninstalled")])
    assert body == (
        b'{"connections":[{"connection":"facebook:1","key":"facebook/1/page_data.json","state":"uninstalled"},'
        b'{"connection":"other:b","key":"other/b/data.json","state":"connected"}],"merchant":"%s"}'
        % str(MERCHANT).encode()
    )
