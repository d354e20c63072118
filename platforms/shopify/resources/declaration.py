"""What a Shopify resource declares besides the general declaration: its gids and how webhooks name its records."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from platform_sdk.resources import Resource

GID = "gid://shopify/"


@dataclass(frozen=True)
class ShopifyResource(Resource):
    """One kind of record of a shop.

    `gid_types` are the types in the gids of its records: `Product` in `gid://shopify/Product/1`. Where there are
    several, `gid_family` is what all of their names begin with. `payload_fields` maps the first word of a webhook topic
    (`products` in `products/update`) to the field of the payload that names the record.
    """

    gid_types: tuple[str, ...] = ()
    gid_family: str = ""
    payload_fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def gid_prefix(self) -> str:
        """What all gids of its records begin with. Without a family the number follows."""
        return f"{GID}{self.gid_family}" if self.gid_family else f"{GID}{self.gid_types[0]}/"

    def parse_gid(self, text: str) -> str | None:
        """Return the gid of the record that `text` names by its gid or its number; None where it names none.

        A number is not enough where there are several types.
        """
        prefix = self.gid_prefix
        if text.startswith(prefix):
            return text if text != prefix else None
        return prefix + text if text.isascii() and text.isdigit() and prefix.endswith("/") else None
