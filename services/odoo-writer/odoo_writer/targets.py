"""Reads the records that are written to, as the change feed will show them: by the code that also reads for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.events import WriteRequested
from linking.records import PRODUCTS, VARIANTS, ExtractOptions, LinkedRecord
from platforms.odoo.linking import extract_record
from platforms.odoo.product_reader import ProductReader

MAX_ID = 2**31
"""Ids of Odoo have 32 bits: a larger number is none, and would be an error of its database."""


@dataclass(frozen=True)
class TargetProduct:
    """A template as it was read at `read_at` (ms), with its variants, and as its record in the feed would be."""

    record: LinkedRecord
    body: dict[str, Any]
    version: datetime | None
    read_at: int


@dataclass(frozen=True)
class WriteTarget:
    """The record that is written to: a product, or a variant of it."""

    product: TargetProduct
    record: LinkedRecord

    @property
    def version(self) -> datetime | None:
        """The time of the last change of the product, in UTC."""
        return self.product.version

    @property
    def read_at(self) -> int:
        """When the record was read (ms)."""
        return self.product.read_at


def parse_id(text: str | None) -> int | None:
    """Return the number of an id; None for a text that is none."""
    if text is None or not (text.isascii() and text.isdigit()) or not 0 < int(text) < MAX_ID:
        return None
    return int(text)


def find_product_id(request: WriteRequested) -> int | None:
    """Return the id of the template of a request; None if the request names none."""
    return parse_id(request.product if request.resource == VARIANTS else request.record)


async def read_products(reader: ProductReader, ids: Iterable[int]) -> tuple[dict[int, TargetProduct], dict[int, str]]:
    """Return the templates that exist, by id, and why others cannot be read."""
    found: dict[int, TargetProduct] = {}
    unreadable: dict[int, str] = {}
    for one in await reader.read(sorted(set(ids))):
        number = int(one.id)
        if one.unreadable is not None:
            unreadable[number] = one.unreadable
        elif one.body is not None:
            record = extract_record(PRODUCTS, one.id, one.body, ExtractOptions())
            if record is not None:
                found[number] = TargetProduct(record, one.body, one.updated_at, one.read_at)
    return found, unreadable


def find_target(request: WriteRequested, product: TargetProduct) -> WriteTarget | None:
    """Return the record that a request names: the product, or its variant; None if it has no such variant."""
    if request.resource == PRODUCTS:
        return WriteTarget(product, product.record)
    variant = next((one for one in product.record.children if one.id == request.record), None)
    return WriteTarget(product, variant) if variant else None
