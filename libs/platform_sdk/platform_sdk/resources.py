"""Declaring a resource: what is read of a platform, in one place for all services that need a part of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar


class ReadMethod(StrEnum):
    """How the records of a resource can be read."""

    BY_ID = "by id"
    BY_ID_RANGE = "by id range"
    LISTED = "as one list"
    CHANGED_SINCE = "changed since"
    IN_BULK = "in bulk"
    WITH_PARENT = "with its parent"


@dataclass(frozen=True)
class Resource:
    """One kind of record of a platform."""

    name: str
    scopes: tuple[str, ...] = ()
    """The scopes without which it is not read; `write_x` includes `read_x`."""
    webhook_topics: tuple[str, ...] = ()
    """The webhook topics to subscribe to, as the platform's API names them."""
    read_methods: tuple[ReadMethod, ...] = (ReadMethod.BY_ID,)
    parent: str | None = None
    """The resource with whose records these come and go."""
    lookup_fields: tuple[str, ...] = ()
    """Fields that other records show, e.g. a title."""
    volatile_fields: tuple[str, ...] = ()
    """Fields that change by themselves; a difference in them is no change of the record."""
    sort_key: str = "id"
    """What its records are ordered by in the document."""
    document_path: str = "data"
    """Where its records are in the snapshot's document, as a path of keys."""
    has_personal_data: bool = False
    """Whether its records hold personal data of a merchant's customers."""


R = TypeVar("R", bound=Resource)


@dataclass(frozen=True)
class ResourceCatalog(Generic[R]):
    """The resources of a platform, in the order in which a full sync reads them."""

    resources: tuple[R, ...]
    topics: tuple[str, ...] = ()
    """Webhook topics that belong to no resource, e.g. that the app was uninstalled."""
    _by_name: dict[str, R] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Index the resources by name."""
        self._by_name.update({resource.name: resource for resource in self.resources})

    def __iter__(self) -> Iterator[R]:
        """Iterate over the resources in their order."""
        return iter(self.resources)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a resource of this name."""
        return name in self._by_name

    def get(self, name: str) -> R:
        """Return the resource of this name. Raises KeyError."""
        return self._by_name[name]

    def list_children(self, name: str) -> tuple[R, ...]:
        """Return the resources whose records come with those of the resource `name`."""
        return tuple(resource for resource in self.resources if resource.parent == name)

    def list_needed_scopes(self, name: str) -> tuple[str, ...]:
        """Return the scopes that reading the resource needs, those of its parent included."""
        resource = self.get(name)
        parents = self.list_needed_scopes(resource.parent) if resource.parent else ()
        return (*parents, *resource.scopes)

    def is_readable(self, name: str, granted: Iterable[str]) -> bool:
        """Return whether these granted scopes allow reading the resource."""
        expanded = expand_scopes(granted)
        return all(scope in expanded for scope in self.list_needed_scopes(name))

    def find_missing_scope(self, name: str, granted: Iterable[str]) -> str | None:
        """Return the first scope that reading the resource lacks."""
        expanded = expand_scopes(granted)
        return next((scope for scope in self.list_needed_scopes(name) if scope not in expanded), None)

    def list_webhook_topics(self, granted: Iterable[str]) -> tuple[str, ...]:
        """Return the topics to subscribe to: those of no resource, and those of each resource whose own scopes are
        granted."""
        expanded = expand_scopes(granted)
        own = (
            topic
            for resource in self.resources
            if set(resource.scopes) <= expanded
            for topic in resource.webhook_topics
        )
        return tuple(dict.fromkeys((*self.topics, *own)))

    def list_resources_by_scope(self, scope: str) -> tuple[str, ...]:
        """Return the names of the resources that are not read without this scope."""
        return tuple(resource.name for resource in self.resources if scope in resource.scopes)


def expand_scopes(granted: Iterable[str]) -> frozenset[str]:
    """Return the granted scopes with those that they include: `write_x` includes `read_x`."""
    listed = tuple(granted)
    return frozenset(listed) | {
        "read_" + scope.removeprefix("write_") for scope in listed if scope.startswith("write_")
    }
