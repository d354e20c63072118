"""The declaration of a platform's resources. Each resource is declared once, for all services that use it."""

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
    """A kind of records of a platform, e.g. products."""

    name: str
    scopes: tuple[str, ...] = ()
    """The scopes that reading the records needs. A granted scope `write_x` includes `read_x`."""
    webhook_topics: tuple[str, ...] = ()
    """The webhook topics to subscribe to, as the platform's API names them."""
    read_methods: tuple[ReadMethod, ...] = (ReadMethod.BY_ID,)
    parent: str | None = None
    """The name of the parent resource. Records are read and deleted together with their parent record."""
    lookup_fields: tuple[str, ...] = ()
    """Fields by whose exact values readers find records, e.g. a handle. The documents of other records show some of
    them, e.g. a title."""
    volatile_fields: tuple[str, ...] = ()
    """Fields that change without an edit, e.g. counters. A new value in them alone does not count as a change."""
    sort_key: str = "id"
    """The field by which the records are ordered in the document."""
    document_path: str = "data"
    """The keys, joined by dots, under which the snapshot's document has the records, e.g. `data.products`."""
    has_personal_data: bool = False
    """Whether the records contain personal data of a merchant's customers."""


R = TypeVar("R", bound=Resource)


@dataclass(frozen=True)
class ResourceCatalog(Generic[R]):
    """The resources of a platform, in the order in which a full sync reads them."""

    resources: tuple[R, ...]
    topics: tuple[str, ...] = ()
    """Webhook topics that belong to no resource, e.g. the topic for uninstalling the app."""
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
        """Return the resource of this name. Raises KeyError when there is none."""
        return self._by_name[name]

    def list_children(self, name: str) -> tuple[R, ...]:
        """Return the child resources of the resource `name`: those whose records are read together with its records."""
        return tuple(resource for resource in self.resources if resource.parent == name)

    def list_needed_scopes(self, name: str) -> tuple[str, ...]:
        """Return the scopes that reading the resource needs, including those that its parent needs."""
        resource = self.get(name)
        parents = self.list_needed_scopes(resource.parent) if resource.parent else ()
        return (*parents, *resource.scopes)

    def is_readable(self, name: str, granted: Iterable[str]) -> bool:
        """Return whether these granted scopes allow reading the resource."""
        expanded = expand_scopes(granted)
        return all(scope in expanded for scope in self.list_needed_scopes(name))

    def find_missing_scope(self, name: str, granted: Iterable[str]) -> str | None:
        """Return the first scope that reading the resource needs and `granted` lacks; None when it lacks none."""
        expanded = expand_scopes(granted)
        return next((scope for scope in self.list_needed_scopes(name) if scope not in expanded), None)

    def list_webhook_topics(self, granted: Iterable[str]) -> tuple[str, ...]:
        """Return the webhook topics to subscribe to when `granted` are the scopes.

        They are the catalog's own `topics`, and those of each resource whose own scopes are all granted.
        """
        expanded = expand_scopes(granted)
        own = (
            topic
            for resource in self.resources
            if set(resource.scopes) <= expanded
            for topic in resource.webhook_topics
        )
        return tuple(dict.fromkeys((*self.topics, *own)))

    def list_resources_by_scope(self, scope: str) -> tuple[str, ...]:
        """Return the names of the resources that need this scope themselves, not only through their parents."""
        return tuple(resource.name for resource in self.resources if scope in resource.scopes)


def expand_scopes(granted: Iterable[str]) -> frozenset[str]:
    """Return the granted scopes and the scopes that they include: `write_x` includes `read_x`."""
    listed = tuple(granted)
    return frozenset(listed) | {
        "read_" + scope.removeprefix("write_") for scope in listed if scope.startswith("write_")
    }
