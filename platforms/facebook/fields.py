"""Which fields of a Page are requested: the setting as Graph understands it, less what Graph has refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PAGE_FIELDS = (
    "id,name,category,about,website,link,picture{url},fan_count,verification_status,location,phone,username,"
    "description,bio,category_list,emails,hours,single_line_address,followers_count,is_published,"
    "overall_star_rating,rating_count"
)
"""The fields of a Page's document. `email` and `created_time` are no fields of a Page, and are never requested."""
FIELD = re.compile(r"([a-z][a-z0-9_]*)([.({].*)?", re.DOTALL)
BRACKETS = {"(": 1, "{": 1, ")": -1, "}": -1}
"""By how much each bracket changes the depth."""


@dataclass(frozen=True)
class PageField:
    """A field by its `name`, and the `text` that requests it: the name, perhaps with an expansion."""

    name: str
    text: str

    def is_expanded_by(self, word: str) -> bool:
        """Return whether `word` is part of the expansion."""
        return re.search(rf"\b{re.escape(word)}\b", self.text[len(self.name) :]) is not None


def parse_fields(setting: str) -> tuple[PageField, ...]:
    """Return the fields of a list separated by commas, `id` first.

    Raises ValueError for text that is no such list, and for a list that requests a token: a fetcher uses tokens and
    never reads any.
    """
    if re.search(r"token\b", setting):
        raise ValueError("a token is never asked for")
    fields = {field.name: field for field in map(_parse_field, _split_fields(setting))}
    return tuple({"id": PageField("id", "id"), **fields}.values())


def _split_fields(setting: str) -> Iterator[str]:
    """Yield the parts between the commas that lie in no brackets."""
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
    """The fields that a process requests; a field that Graph has refused once is not requested again."""

    def __init__(self, fields: tuple[PageField, ...]) -> None:
        self.fields = fields
        self._dropped: set[str] = set()

    @property
    def text(self) -> str:
        """The parameter `fields`."""
        return ",".join(field.text for field in self._list_requested())

    def drop_field(self, name: str) -> list[str]:
        """Stop requesting what Graph refuses as the field `name`, and return the names of the fields dropped.

        That is the field of that name, or else those whose expansion contains it; none where no requested field does.
        """
        candidates = [field for field in self._list_requested() if field.name != "id"]
        exact = [field.name for field in candidates if field.name == name]
        dropped = exact or [field.name for field in candidates if field.is_expanded_by(name)]
        self._dropped.update(dropped)
        return dropped

    def _list_requested(self) -> Iterator[PageField]:
        return (field for field in self.fields if field.name not in self._dropped)
