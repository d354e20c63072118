"""Which fields of a page are asked for: the setting as Graph understands it, less what Graph has refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PAGE_FIELDS = (
    "id,name,category,about,website,link,picture{url},fan_count,verification_status,location,phone,username,"
    "description,bio,category_list,emails,hours,single_line_address,followers_count,is_published,"
    "overall_star_rating,rating_count"
)
"""What the document of a page shows. `email` and `created_time` are no fields of a page, and never asked for."""
FIELD = re.compile(r"([a-z][a-z0-9_]*)([.({].*)?", re.DOTALL)
DEPTH = {"(": 1, "{": 1, ")": -1, "}": -1}


@dataclass(frozen=True)
class PageField:
    """A field by its `name`, and the `text` that asks for it: the name, perhaps with an expansion."""

    name: str
    text: str

    def mentions(self, word: str) -> bool:
        """Whether `word` is part of the expansion."""
        return re.search(rf"\b{re.escape(word)}\b", self.text[len(self.name) :]) is not None


def parsed(setting: str) -> tuple[PageField, ...]:
    """The fields of a list separated by commas, `id` first. Raises `ValueError` for what is no such list, and for one
    that asks for a token: none ever leaves the gateway but to read with it."""
    if re.search(r"token\b", setting):
        raise ValueError("a token is never asked for")
    fields = {field.name: field for field in map(_field, _split(setting))}
    return tuple({"id": PageField("id", "id"), **fields}.values())


def _split(setting: str) -> Iterator[str]:
    """The parts between commas that lie in no brackets."""
    depth, part = 0, ""
    for sign in setting:
        depth += DEPTH.get(sign, 0)
        if depth < 0:
            break
        if sign == "," and depth == 0:
            yield part
            part = ""
        else:
            part += sign
    if depth:
        raise ValueError("has brackets without their other half")
    yield part


def _field(text: str) -> PageField:
    text = re.sub(r"\s", "", text)
    match = FIELD.fullmatch(text)
    if match is None:
        raise ValueError(f"names no field of a page: '{text[:40]}'")
    return PageField(match[1], text)


class Asking:
    """The fields that a process asks for; what Graph has refused once is asked for no more."""

    def __init__(self, fields: tuple[PageField, ...]) -> None:
        self.fields = fields
        self._refused: set[str] = set()

    @property
    def text(self) -> str:
        """The parameter `fields`."""
        return ",".join(field.text for field in self._asked())

    def drop(self, word: str) -> list[str]:
        """Graph knows no field `word`: ask no more for the field of that name, or else for those with it in their
        expansion. Gives their names; none, where nothing that is asked for has to do with it."""
        asked = [field for field in self._asked() if field.name != "id"]
        named = [field.name for field in asked if field.name == word]
        dropped = named or [field.name for field in asked if field.mentions(word)]
        self._refused.update(dropped)
        return dropped

    def _asked(self) -> Iterator[PageField]:
        return (field for field in self.fields if field.name not in self._refused)
