"""The fields of a Page that are requested: those in the settings, without those that Graph has refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PAGE_FIELDS = (
    "id,name,category,about,website,link,picture{url},fan_count,verification_status,location,phone,username,"
    "description,bio,category_list,emails,hours,single_line_address,followers_count,is_published,"
    "overall_star_rating,rating_count"
)
"""The default fields of a Page's document. Pages have no fields `email` and `created_time`."""
FIELD = re.compile(r"([a-z][a-z0-9_]*)([.({].*)?", re.DOTALL)
BRACKETS = {"(": 1, "{": 1, ")": -1, "}": -1}
"""How much each bracket adds to the nesting depth."""


@dataclass(frozen=True)
class PageField:
    """A field of a Page. `text` is how it is requested: its name, with subfields in braces if any: `picture{url}`."""

    name: str
    text: str

    def has_subfield(self, name: str) -> bool:
        """Return whether `name` is in the braces of this field, as `url` is in `picture{url}`."""
        return re.search(rf"\b{re.escape(name)}\b", self.text[len(self.name) :]) is not None


def parse_fields(setting: str) -> tuple[PageField, ...]:
    """Parse a comma-separated list of fields. Returns `id` first, then the others in the given order.

    Raises ValueError when the text is malformed, and when it requests a token, which a fetcher never reads.
    """
    if re.search(r"token\b", setting):
        raise ValueError("a token is never asked for")
    fields = {field.name: field for field in map(_parse_field, _split_fields(setting))}
    return tuple({"id": PageField("id", "id"), **fields}.values())


def _split_fields(setting: str) -> Iterator[str]:
    """Yield the parts between the commas outside of brackets. Raises ValueError for unbalanced brackets."""
    depth, part = 0, ""
    for character in setting:
        depth += BRACKETS.get(character, 0)
        if depth < 0:
            break
        if character == "," and depth == 0:
            yield part
            part = ""
        else:
            part += character
    if depth:
        raise ValueError("has brackets without their other half")
    yield part


def _parse_field(text: str) -> PageField:
    text = re.sub(r"\s", "", text)
    match = FIELD.fullmatch(text)
    if match is None:
        raise ValueError(f"names no field of a page: '{text[:40]}'")
    return PageField(match[1], text)


class RequestedFields:
    """The fields that this process requests. A field that Graph has refused once is not requested again."""

    def __init__(self, fields: tuple[PageField, ...]) -> None:
        self.fields = fields
        self._dropped: set[str] = set()

    @property
    def text(self) -> str:
        """The fields to request, as the value of the query parameter `fields` of a request for a Page."""
        return ",".join(field.text for field in self._list_requested())

    def drop_field(self, name: str) -> list[str]:
        """Stop requesting the field `name`, which Graph does not know. Returns the names of the dropped fields.

        When no requested field has this name, all fields that have a subfield `name` are dropped. The result is
        empty when there are no such fields either.
        """
        candidates = [field for field in self._list_requested() if field.name != "id"]
        exact = [field.name for field in candidates if field.name == name]
        dropped = exact or [field.name for field in candidates if field.has_subfield(name)]
        self._dropped.update(dropped)
        return dropped

    def _list_requested(self) -> Iterator[PageField]:
        return (field for field in self.fields if field.name not in self._dropped)
