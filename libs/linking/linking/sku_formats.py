"""Reads and writes the SKU field of a shop: `plain`, or `sku-bin`, where the field holds `SKU - BIN`."""

from dataclasses import dataclass

from linking.records import SkuFormat


class MissingSkuError(ValueError):
    """Raised for a field without a SKU."""


@dataclass(frozen=True)
class ParsedSku:
    """A SKU and its bin; the bin is empty where there is none."""

    sku: str
    bin: str = ""


def parse_sku(text: str | None, sku_format: SkuFormat) -> ParsedSku:
    """Return the SKU, and with `sku-bin` the bin, of the field's text.

    With `sku-bin` the text is split once: at " - ", else at the first blank. Raises `MissingSkuError` if no SKU is left.
    """
    raise NotImplementedError


def format_sku(sku: str, bin_name: str | None, sku_format: SkuFormat) -> str:
    """Return the field's text: `SKU - BIN`, or the SKU alone without a bin or with `plain`.

    Raises `MissingSkuError` for an empty SKU, and `ValueError` for one that would be read differently: with `sku-bin` a SKU
    that contains white space.
    """
    raise NotImplementedError
