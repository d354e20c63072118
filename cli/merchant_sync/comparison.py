"""Whether two documents are the same, and if not, where they part first."""

import json

_SHOWN = 120


def _kind(value: object) -> type:
    """The JSON kind of a value: true is no number, 1 and 1.0 are the same kind."""
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, (int, float)) else type(value)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _of_objects(stored: dict[str, object], truth: dict[str, object], path: str) -> str | None:
    for key in sorted(stored.keys() | truth.keys()):
        here = f"{path}.{key}"
        if key not in stored:
            return f"{here}: missing in the object; the truth has {_shown(truth[key])}"
        if key not in truth:
            return f"{here}: only in the object: {_shown(stored[key])}"
        if found := first_difference(stored[key], truth[key], here):
            return found
    return None


def _label(value: object) -> str:
    """The id of a record in a list, for a person to look it up by."""
    node = value.get("node", value) if isinstance(value, dict) else value
    return f" ({node['id']})" if isinstance(node, dict) and isinstance(node.get("id"), str) else ""


def _of_lists(stored: list[object], truth: list[object], path: str) -> str | None:
    for index, (ours, theirs) in enumerate(zip(stored, truth, strict=False)):
        if found := first_difference(ours, theirs, f"{path}[{index}]{_label(theirs)}"):
            return found
    if len(stored) != len(truth):
        longer = "the object" if len(stored) > len(truth) else "the truth"
        extra = max(stored, truth, key=len)[min(len(stored), len(truth))]
        return f"{path}: {len(stored)} in the object, {len(truth)} in truth; {longer} goes on with {_shown(extra)}"
    return None


def first_difference(stored: object, truth: object, path: str = "$") -> str | None:
    """Where the stored document parts from the truth, as a path and both values; None when they are equal."""
    if isinstance(stored, dict) and isinstance(truth, dict):
        return _of_objects(stored, truth, path)
    if isinstance(stored, list) and isinstance(truth, list):
        return _of_lists(stored, truth, path)
    if _kind(stored) is not _kind(truth) or stored != truth:
        return f"{path}: {_shown(stored)} in the object, {_shown(truth)} in truth"
    return None
