"""Builds the settings of a new link from the fields of its form."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from linking.fields import Authority, Group
from linking.records import Side
from linking.settings import LinkSettings
from platform_sdk.errors import RequestRejectedError

SHOP_FIELD, DATABASE_FIELD, LOCATIONS_FIELD = "shop", "database", "locations"
AUTHORITY_FIELDS = {
    f"authority_{group}": f"Who decides about {group}: {', '.join(Authority)}; left out or empty: the default"
    for group in Group
}
CREATE_FIELDS = {f"create_in_{side}": f"Any value: products that {side} lacks are made there" for side in Side}
FIELDS = {
    SHOP_FIELD: "The connection of the shop",
    DATABASE_FIELD: "The connection of the database",
    **AUTHORITY_FIELDS,
    **CREATE_FIELDS,
    LOCATIONS_FIELD: "In each line the id of a location of the shop, a blank, and the number of the database's one",
}
"""The descriptions of the form's fields by name."""
OPTIONAL_FIELDS = (*AUTHORITY_FIELDS, *CREATE_FIELDS, LOCATIONS_FIELD)


def build_settings(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of a link that these fields stand for. Raises RequestRejectedError for impossible values."""
    chosen = {group: fields.get(f"authority_{group}", "") for group in Group}
    settings = {
        "groups": {group: {"authority": authority} for group, authority in chosen.items() if authority},
        "create_in": [side for side in Side if f"create_in_{side}" in fields],
        "locations": _parse_locations(fields.get(LOCATIONS_FIELD, "")),
    }
    try:
        return LinkSettings.model_validate(settings).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        place, message = error.errors()[0]["loc"], error.errors()[0]["msg"]
        reason = f"the settings are not possible: {'.'.join(map(str, place))}: {message}"
        raise RequestRejectedError(400, reason) from error


def _parse_locations(text: str) -> dict[str, int]:
    """Return the numbers of the database's locations by the ids of the shop's."""
    locations = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        words = line.split()
        if len(words) != 2 or not (words[1].isascii() and words[1].isdecimal() and len(words[1]) <= 9):
            raise RequestRejectedError(400, f"no pair of locations: {line[:100]}")
        if words[0] in locations:
            raise RequestRejectedError(400, f"a location is named twice: {words[0][:100]}")
        locations[words[0]] = int(words[1])
    return locations
