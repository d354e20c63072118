"""The parameter `fields`: which parts of records a reader wants."""

from typing import Any, TypeAlias

MAX_FIELDS = 100
MAX_DEPTH = 10

FieldTree: TypeAlias = dict[str, Any]
"""The selected fields, each with the selected fields of its value. An empty dict selects the whole value."""


def parse_fields(text: str) -> FieldTree:
    """Parse fields such as `title,variants.price`, separated by commas, with a dot before the field of a field.

    Raises `ValueError` for an empty name, too many fields, and fields of fields at too great a depth.
    """
    paths = [path.split(".") for path in text.split(",")]
    if len(paths) > MAX_FIELDS or any(len(path) > MAX_DEPTH or not all(path) for path in paths):
        raise ValueError(
            f"must be up to {MAX_FIELDS} names of fields, separated by commas, such as title,variants.price"
        )
    # Shorter paths come last, so that a whole value wins over fields of it.
    tree: FieldTree = {}
    for path in sorted(paths, key=len, reverse=True):
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = {}
    return tree


def select_fields(value: Any, tree: FieldTree) -> Any:
    """Return `value` with the selected fields only. Of a list, the fields of each element are selected.

    Fields that are missing are left out. What has no fields is returned whole.
    """
    if not tree:
        return value
    if isinstance(value, list):
        return [select_fields(element, tree) for element in value]
    if isinstance(value, dict):
        return {name: select_fields(value[name], branch) for name, branch in tree.items() if name in value}
    return value
