"""How many kinds of records a connection has, as its platform declares them."""

from functools import cache

from contracts.events import parse_platform
from platforms.registry import PLATFORMS, load_role


def has_one_resource(connection: str) -> bool:
    """Return whether the records of a connection are all of one kind, such as a page or a table's rows.

    Child resources, whose records come with their parents, are not counted.
    """
    platform = parse_platform(connection)
    return platform in PLATFORMS and _count_top_level_resources(platform) == 1


@cache
def _count_top_level_resources(platform: str) -> int:
    return sum(resource.parent is None for resource in load_role(platform, "resources").CATALOG)
