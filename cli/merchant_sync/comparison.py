"""Find the first difference between two JSON documents."""

import json

_SHOWN = 120


def _get_json_type(value: object) -> type:
    """Return a Python type that stands for the JSON type: `true` is not a number, 1 and 1.0 have the same type."""
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, (int, float)) else type(value)


def _format_value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _compare_objects(stored: dict[str, object], expected: dict[str, object], path: str) -> str | None:
    for key in sorted(stored.keys() | expected.keys()):
        here = f"{path}.{key}"
        if key not in stored:
            return f"{here}: missing in the object, expected {_format_value(expected[key])}"
        if key not in expected:
            return f"{here}: only in the object: {_format_value(stored[key])}"
        if found := find_difference(stored[key], expected[key], here):
            return found
    return None


def _format_id(value: object) -> str:
    """Return the id of a record, in parentheses, so that a person can look it up; an empty string without an id."""
    node = value.get("node", value) if isinstance(value, dict) else value
    return f" ({node['id']})" if isinstance(node, dict) and isinstance(node.get("id"), str) else ""


def _compare_lists(stored: list[object], expected: list[object], path: str) -> str | None:
    for index, (ours, theirs) in enumerate(zip(stored, expected, strict=False)):
        if found := find_difference(ours, theirs, f"{path}[{index}]{_format_id(theirs)}"):
            return found
    if len(stored) != len(expected):
        longer = "the object" if len(stored) > len(expected) else "the expected list"
        extra = max(stored, expected, key=len)[min(len(stored), len(expected))]
        counts = f"{len(stored)} in the object, {len(expected)} expected"
        return f"{path}: {counts}; {longer} goes on with {_format_value(extra)}"
    return None


def find_difference(stored: object, expected: object, path: str = "$") -> str | None:
    """Return the first difference as text: where it is, what is stored and what is expected. None when they are equal.

    `path` says where `stored` and `expected` are in the whole documents; `$` is the top.
    """
    if isinstance(stored, dict) and isinstance(expected, dict):
        return _compare_objects(stored, expected, path)
    if isinstance(stored, list) and isinstance(expected, list):
        return _compare_lists(stored, expected, path)
    if _get_json_type(stored) is not _get_json_type(expected) or stored != expected:
        return f"{path}: {_format_value(stored)} in the object, {_format_value(expected)} expected"
    return None
