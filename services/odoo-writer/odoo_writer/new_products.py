"""What a product shall be that is made in Odoo, read from a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from math import prod
from typing import Any

from contracts.events import WriteRequested
from linking.records import Value, Values
from linking.values import normalise_case
from odoo_writer.refusals import RefusedWriteError
from odoo_writer.translation import PRICE_FIELD, SKU

Combination = frozenset[tuple[str, str]]
"""The values of a variant by the names of the options, both without case."""


@dataclass(frozen=True)
class NewOption:
    """An option of a product, with its values in their order."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class NewVariant:
    """A variant, with its shared values and the value that it has of each option."""

    values: Values
    option_values: Mapping[str, str]

    @property
    def combination(self) -> Combination:
        """The values of the options, by which the variant is found in Odoo."""
        return frozenset((normalise_case(name), normalise_case(value)) for name, value in self.option_values.items())

    @property
    def label(self) -> str:
        """What messages call the variant."""
        return str(self.values.get(SKU) or " / ".join(self.option_values.values()) or "the variant")


@dataclass(frozen=True)
class NewProduct:
    """A product, with the options that its variants differ by."""

    values: Values
    options: Sequence[NewOption]
    variants: Sequence[NewVariant]

    @property
    def is_sparse(self) -> bool:
        """Whether some combinations of the options' values are no variants."""
        return len(self.variants) < prod(len(option.values) for option in self.options)

    @property
    def list_price(self) -> Decimal:
        """The lowest price of the variants, which is the one of the template; 0 without any."""
        prices = [Decimal(str(one.values[PRICE_FIELD])) for one in self.variants if one.values.get(PRICE_FIELD)]
        return min(prices, default=Decimal(0))

    def list_barcodes(self) -> list[str]:
        """Return the barcodes of the variants."""
        return [str(one.values["barcode"]).strip() for one in self.variants if one.values.get("barcode")]


def parse_new_product(request: WriteRequested) -> NewProduct:
    """Return what a request `create` shall make. Raises RefusedWriteError where its variants do not fit its options."""
    try:
        options = [
            NewOption(str(one["name"]).strip(), tuple(one["values"])) for one in request.fields.get("options") or ()
        ]
        variants = [_parse_variant(one) for one in request.variants]
        product = NewProduct(request.fields, _complete_options(options, variants), variants or [NewVariant({}, {})])
        product.list_price.quantize(Decimal(1))
    except (KeyError, TypeError, AttributeError, DecimalException):
        raise RefusedWriteError("the options or variants have a form that is not known") from None
    names = {normalise_case(option.name) for option in product.options}
    if len(names) != len(product.options):
        raise RefusedWriteError("two options have one name")
    combinations = [variant.combination for variant in product.variants]
    if any({name for name, _ in one} != names for one in combinations):
        raise RefusedWriteError("a variant has not one value of each option")
    if len(set(combinations)) != len(combinations):
        raise RefusedWriteError("two variants have the same values of the options")
    return product


def _parse_variant(values: Mapping[str, Any]) -> NewVariant:
    chosen = {str(name).strip(): str(value).strip() for name, value in (values.get("option_values") or {}).items()}
    shared: dict[str, Value] = {name: value for name, value in values.items() if name != "option_values"}
    return NewVariant(shared, chosen)


def _complete_options(options: Sequence[NewOption], variants: Sequence[NewVariant]) -> list[NewOption]:
    """Return the options with all values that variants have, each once."""
    completed = []
    for option in options:
        used = [variant.option_values.get(option.name) for variant in variants]
        texts = [text.strip() for text in (*option.values, *used) if text]
        by_key = {normalise_case(text): text for text in reversed(texts)}
        ordered = dict.fromkeys(normalise_case(text) for text in texts)
        completed.append(NewOption(option.name, tuple(by_key[key] for key in ordered)))
    return completed
