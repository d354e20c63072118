"""Groups of things that are connected, directly or through others."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def group_connected(neighbours: Mapping[T, Iterable[T]]) -> list[list[T]]:
    """Return the keys of `neighbours` in groups: each key with its neighbours, and theirs.

    Neighbours name each other.
    """
    groups: list[list[T]] = []
    seen: set[T] = set()
    for start in neighbours:
        group: list[T] = []
        waiting = [start]
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                group.append(current)
                waiting.extend(neighbours[current])
        if group:
            groups.append(group)
    return groups
