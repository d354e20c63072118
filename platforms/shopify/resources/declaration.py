"""The declaration of a Shopify resource.

It is a `Resource` with the form of its gids (Shopify's global ids) and the fields of webhooks that name a record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_sdk.resources import Resource

GID = "gid://shopify/"


@dataclass(frozen=True)
class ShopifyResource(Resource):
    """A kind of records of a shop.

    `gid_types` are the types in the records' gids (global ids): `Product` in `gid://shopify/Product/1`. When there are
    several types, `gid_family` is the common prefix of their names. `payload_fields` maps the first word of a webhook
    topic (`products` in `products/update`) to the field of the payload that names the record.
    """

    gid_types: tuple[str, ...] = ()
    gid_family: str = ""
    payload_fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def gid_prefix(self) -> str:
        """The common prefix of the records' gids (global ids). Without a `gid_family`, a gid is it and a number."""
        return f"{GID}{self.gid_family}" if self.gid_family else f"{GID}{self.gid_types[0]}/"

    def build_gid(self, text: str) -> str | None:
        """Return the gid of the record whose gid (global id) or number is `text`; None when it names no record.

        A number names no record when the resource has a `gid_family`, because the type is then unknown.
        """
        prefix = self.gid_prefix
        if text.startswith(prefix):
            return text if text != prefix else None
        return prefix + text if text.isascii() and text.isdigit() and prefix.endswith("/") else None
