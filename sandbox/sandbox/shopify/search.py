"""The part of Shopify's search syntax that an app for synchronization needs.

An example: `id:>1 status:active,draft updated_at:>='…'`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_TERM = re.compile(r"""(?:(-?[\w.]+):)?([<>]=?)?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s()]+)""")
Reader = Callable[[Any], Any]
"""Reads the value of a searchable field from a record."""


@dataclass(slots=True)
class Search:
    """A parsed search query.

    - `low`, `high`: the lowest and the highest id that match; None means no limit.
    - `predicates`: functions of a record. A record matches if all of them return True.
    - `warnings`: warnings about terms that are not understood. As at Shopify, such a term matches every record.
    """

    low: int | None = None
    high: int | None = None
    predicates: list[Callable[[Any], bool]] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def has_matching_fields(self, record: Any) -> bool:
        """Return whether all predicates are true of the fields of a record. The caller has checked the range of ids."""
        return all(predicate(record) for predicate in self.predicates)


def parse_search(query: str | None, readers: Mapping[str, Reader]) -> Search:
    """Parse the search query `query`.

    `readers` maps the name of each searchable field to the function that reads it from a record.
    """
    search = Search()
    for name, operator, raw in _TERM.findall(query or ""):
        value = raw[1:-1] if raw[:1] in "'\"" else raw
        if not name and value in ("AND", "*"):
            continue
        _add_term(search, name, operator, value, readers)
    return search


def _add_term(search: Search, name: str, operator: str, value: str, readers: Mapping[str, Reader]) -> None:
    if name == "id":
        _narrow_id_range(search, operator, value)
    elif not name and "title" in readers:
        read_title, word = readers["title"], value.lower()
        search.predicates.append(lambda record: word in str(read_title(record)).lower())
    elif name.removeprefix("-") not in readers:
        warning = {
            "field": name or "default",
            "message": "Invalid search field for this query.",
            "code": "invalid_field",
        }
        search.warnings.append(warning)
    else:
        matches = _build_predicate(readers[name.removeprefix("-")], operator, value)
        search.predicates.append((lambda record: not matches(record)) if name.startswith("-") else matches)


def _narrow_id_range(search: Search, operator: str, value: str) -> None:
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


def _build_predicate(read: Reader, operator: str, value: str) -> Callable[[Any], bool]:
    if operator:
        bound = _normalise_time(value)
        return {
            ">": lambda record: read(record) > bound,
            ">=": lambda record: read(record) >= bound,
            "<": lambda record: read(record) < bound,
            "<=": lambda record: read(record) <= bound,
        }[operator]
    alternatives = {part.strip().lower() for part in value.split(",")}
    return lambda record: not alternatives.isdisjoint(_list_words(read(record)))


def _list_words(value: Any) -> list[str]:
    return [str(part).lower() for part in value] if isinstance(value, list) else [str(value).lower()]


def _normalise_time(value: str) -> str:
    """Convert a date or time to the format of the times in records: ISO 8601, in UTC and whole seconds.

    Any other value is returned unchanged.
    """
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return f"{value}T00:00:00Z"
    return re.sub(r"(\.\d+)?(Z|\+00:00)?$", "Z", value, count=1) if re.match(r"\d{4}-\d\d-\d\dT", value) else value
