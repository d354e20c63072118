"""What is known of a database before something is written to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from odoo_writer.sessions import WritingSession
from platforms.odoo.database_fields import TEMPLATE, VARIANT, DatabaseFields
from platforms.odoo.reading import RecordsSession

WEIGHT, COST, PRICE = (VARIANT, "weight"), (VARIANT, "standard_price"), (TEMPLATE, "list_price")


@dataclass(frozen=True)
class WritableFields:
    """The fields of a database, and how many decimal places those have that are rounded, by model and name."""

    fields: DatabaseFields
    decimals: Mapping[tuple[str, str], int]

    @property
    def has_web_shop_text(self) -> bool:
        """Whether products have a description as HTML."""
        return "website_description" in self.fields.template

    @property
    def has_publishing(self) -> bool:
        """Whether products are published in a web shop."""
        return "is_published" in self.fields.template


async def read_writable_fields(session: RecordsSession | WritingSession) -> WritableFields:
    """Ask a database for the fields of its products."""
    described = {model: await session.get_fields(model) for model in (TEMPLATE, VARIANT)}
    digits = {key: described[key[0]].get(key[1], {}).get("digits") for key in (WEIGHT, COST, PRICE)}
    return WritableFields(
        DatabaseFields(frozenset(described[TEMPLATE]), frozenset(described[VARIANT])),
        {key: int(pair[1]) for key, pair in digits.items() if pair},
    )
