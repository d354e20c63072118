"""What a platform declares of its resources: how many there are, and by which fields their records are found."""

from collections.abc import Sequence
from functools import cache

from contracts.events import parse_platform
from platform_sdk.resources import Resource, ResourceCatalog
from platforms.registry import PLATFORMS, load_role


def has_one_resource(connection: str) -> bool:
    """Return whether the records of a connection are all of one kind, such as a page or a table's rows.

    Child resources, whose records come with their parents, are not counted.
    """
    catalog = _load_catalog(parse_platform(connection))
    return catalog is not None and sum(resource.parent is None for resource in catalog) == 1


def list_lookup_fields(connection: str, resource: str) -> Sequence[str]:
    """Return the names of the fields by whose values the records of a resource of the connection are found, sorted."""
    catalog = _load_catalog(parse_platform(connection))
    return sorted(catalog.get(resource).lookup_fields) if catalog is not None and resource in catalog else []


@cache
def _load_catalog(platform: str) -> ResourceCatalog[Resource] | None:
    """Return the resources of a platform; None where this installation has no such platform."""
    if platform not in PLATFORMS:
        return None
    catalog: ResourceCatalog[Resource] = load_role(platform, "resources").CATALOG
    return catalog
