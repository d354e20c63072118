"""Translates the records of a shop into the form that both sides of a link share."""

from collections.abc import Mapping
from typing import Any

from linking.records import ExtractOptions, LinkedRecord


def extract_record(
    resource: str, record_id: str, body: Mapping[str, Any], options: ExtractOptions
) -> LinkedRecord | None:
    """Return a record of the change feed as a link sees it; None if links do not use the resource."""
    raise NotImplementedError


def extract_currency(resource: str, body: Mapping[str, Any]) -> str | None:
    """Return the currency of the shop's amounts (ISO 4217) from the record `shop`; None for other records."""
    raise NotImplementedError
