"""Finds the variants of a product by the values of its options."""

from collections.abc import Iterable, Mapping

from linking.values import normalise_case
from odoo_writer.new_products import Combination
from platforms.odoo.calls import Row

TEMPLATE_VALUE = "product.template.attribute.value"
VALUE_FIELDS = ("id", "name", "attribute_id", "ptav_active")


class VariantIndex:
    """The variants of a template by their combinations. `values` are the attribute values of that template."""

    def __init__(self, values: Iterable[Row], variants: Mapping[str, Row]) -> None:
        pairs = {row["id"]: (normalise_case(row["attribute_id"][1]), normalise_case(row["name"])) for row in values}
        self._numbers = {pair: number for number, pair in pairs.items()}
        self._attributes = {name for name, _ in self._numbers}
        self._variants: dict[Combination, int] = {}
        # Of two variants with one combination, one is archived: the active one is entered last.
        for number, row in sorted(variants.items(), key=lambda item: bool(item[1]["active"])):
            own = row.get("product_template_attribute_value_ids") or ()
            self._variants[frozenset(pairs[one] for one in own if one in pairs)] = int(number)

    def find(self, combination: Combination) -> int | None:
        """Return the id of the variant with these values; None if there is none."""
        return self._variants.get(combination)

    def list_values(self, combination: Combination) -> list[int]:
        """Return the ids of the template's values of which a variant can be made; none where it lacks one."""
        names = {name for name, _ in combination}
        if names != self._attributes or any(pair not in self._numbers for pair in combination):
            return []
        return sorted(self._numbers[pair] for pair in combination)
