"""Finds the operation of a path: the segments of all templates as a tree."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from data_api.asgi.operations import Operation


class Match(NamedTuple):
    """The operations of a path by method, and the values of the `{names}` in its template."""

    operations: Mapping[str, Operation]
    parameters: dict[str, str]


class _Node:
    __slots__ = ("children", "name", "operations", "parameter")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.name = ""
        self.operations: dict[str, Operation] = {}


class Router:
    """Finds operations by path. A literal segment goes before a `{name}` at the same place."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            self._add(operation)

    def find(self, raw_path: bytes) -> Match | None:
        """Return the operations of a path as it came, still escaped; None if there is no such path.

        A segment is unescaped after the path is split, so that an escaped slash is part of it.
        """
        node, parameters = self._root, dict[str, str]()
        for segment in raw_path[1:].decode("latin-1").split("/"):
            child = node.children.get(segment)
            if child is None:
                child = node.parameter
                if child is None or not segment:
                    return None
                parameters[child.name] = unquote(segment) if "%" in segment else segment
            node = child
        return Match(node.operations, parameters) if node.operations else None

    def _add(self, operation: Operation) -> None:
        node = self._root
        for segment in operation.path[1:].split("/"):
            if segment.startswith("{"):
                if node.parameter is None:
                    node.parameter = _Node()
                    node.parameter.name = segment[1:-1]
                node = node.parameter
                if node.name != segment[1:-1]:
                    raise ValueError(f"{operation.path}: the same place has the name {node.name} elsewhere")
            else:
                node = node.children.setdefault(segment, _Node())
        if operation.method in node.operations:
            raise ValueError(f"{operation.method} {operation.path} is declared twice")
        node.operations[operation.method] = operation
