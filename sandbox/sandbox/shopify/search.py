"""Shopify's search syntax, as much of it as a synchronising client uses: `id:>1 status:active,draft
updated_at:>='…'`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_TERM = re.compile(r"""(?:(-?[\w.]+):)?([<>]=?)?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s()]+)""")
Reader = Callable[[Any], Any]


@dataclass(slots=True)
class Search:
    """A parsed query: a closed range of ids, what else must hold, and what was not understood (and so matches all)."""

    low: int | None = None
    high: int | None = None
    predicates: list[Callable[[Any], bool]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def matches(self, record: Any) -> bool:
        """Whether a record within the range of ids is asked for."""
        return all(holds(record) for holds in self.predicates)


def parse(query: str | None, readers: Mapping[str, Reader]) -> Search:
    """The meaning of `query` for records whose searchable fields are `readers`; unknown fields match everything."""
    search = Search()
    for name, operator, raw in _TERM.findall(query or ""):
        value = raw[1:-1] if raw[:1] in "'\"" else raw
        if not name and value in ("AND", "*"):
            continue
        _add(search, name, operator, value, readers)
    return search


def _add(search: Search, name: str, operator: str, value: str, readers: Mapping[str, Reader]) -> None:
    if name == "id":
        _narrow(search, operator, value)
    elif not name and "title" in readers:
        title, word = readers["title"], value.lower()
        search.predicates.append(lambda record: word in str(title(record)).lower())
    elif name.removeprefix("-") not in readers:
        warning = {
            "field": name or "default",
            "message": "Invalid search field for this query.",
            "code": "invalid_field",
        }
        search.warnings.append(warning)
    else:
        holds = _comparison(readers[name.removeprefix("-")], operator, value)
        search.predicates.append((lambda record: not holds(record)) if name.startswith("-") else holds)


def _narrow(search: Search, operator: str, value: str) -> None:
    digits = value.rsplit("/", 1)[-1]
    if not digits.isdigit():
        search.warnings.append(
            {"field": "id", "message": f"Input `{value}` is not an accepted ID format.", "code": "invalid_value"}
        )
        return
    number = int(digits)
    if operator.startswith(">") or not operator:
        low = number + (operator == ">")
        search.low = low if search.low is None else max(search.low, low)
    if operator.startswith("<") or not operator:
        high = number - (operator == "<")
        search.high = high if search.high is None else min(search.high, high)


def _comparison(read: Reader, operator: str, value: str) -> Callable[[Any], bool]:
    if operator:
        bound = _instant(value)
        return {
            ">": lambda record: read(record) > bound,
            ">=": lambda record: read(record) >= bound,
            "<": lambda record: read(record) < bound,
            "<=": lambda record: read(record) <= bound,
        }[operator]
    wanted = {part.strip().lower() for part in value.split(",")}
    return lambda record: not wanted.isdisjoint(_words(read(record)))


def _words(found: Any) -> list[str]:
    return [str(part).lower() for part in found] if isinstance(found, list) else [str(found).lower()]


def _instant(value: str) -> str:
    """A date or time in the one form in which times are stored and compared."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return f"{value}T00:00:00Z"
    return re.sub(r"(\.\d+)?(Z|\+00:00)?$", "Z", value, count=1) if re.match(r"\d{4}-\d\d-\d\dT", value) else value
