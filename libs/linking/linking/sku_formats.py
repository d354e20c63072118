"""Reads and writes the SKU field of a shop: `plain`, or `sku-bin`, where the field holds `SKU - BIN`."""

from dataclasses import dataclass

from linking.records import SkuFormat

SEPARATOR = " - "


class MissingSkuError(ValueError):
    """Raised for a field without a SKU."""


@dataclass(frozen=True)
class ParsedSku:
    """A SKU and its bin; the bin is empty where there is none."""

    sku: str
    bin: str = ""


def parse_sku(text: str | None, sku_format: SkuFormat) -> ParsedSku:
    """Return the SKU, and with `sku-bin` the bin, of the field's text.

    With `sku-bin` the text is split once: at " - ", else at the first blank. Raises `MissingSkuError` if no SKU is
    left.
    """
    if sku_format is SkuFormat.PLAIN:
        sku, bin_name = text or "", ""
    elif SEPARATOR in (text or ""):
        # The text is not trimmed before: " - X" is a bin without a SKU, and "A - " a SKU with an empty bin.
        sku, _, bin_name = (text or "").partition(SEPARATOR)
    else:
        sku, _, bin_name = (text or "").strip().partition(" ")
    if not sku.strip():
        raise MissingSkuError("the field has no SKU")
    return ParsedSku(sku.strip(), bin_name.strip())


def format_sku(sku: str, bin_name: str | None, sku_format: SkuFormat) -> str:
    """Return the field's text: `SKU - BIN`, or the SKU alone without a bin or with `plain`.

    Raises `MissingSkuError` for an empty SKU, and `ValueError` for one that would be read differently: with `sku-bin` a
    SKU with a blank in it.
    """
    trimmed, place = sku.strip(), (bin_name or "").strip()
    if not trimmed:
        raise MissingSkuError("there is no SKU to write")
    written = f"{trimmed}{SEPARATOR}{place}" if place and sku_format is SkuFormat.SKU_BIN else trimmed
    if sku_format is SkuFormat.SKU_BIN and parse_sku(written, sku_format) != ParsedSku(trimmed, place):
        raise ValueError("the SKU would be read differently, because of a blank in it")
    return written
