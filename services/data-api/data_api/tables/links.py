"""The links of all connections, from `link.changed`."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from contracts.events import LinkChanged, parse_platform

ENDED = "ended"


@dataclass(frozen=True, slots=True)
class LinkSummary:
    """What readers may see of a connection's link. The other connection is shown by its platform alone.

    Whoever has a key of one account may know neither the name nor a value of the other one.
    """

    platform: str
    state: str
    pairs: dict[str, int]
    planned_fields: int


class LinkTable:
    """The latest state of each shop's link, found by both of its connections."""

    def __init__(self) -> None:
        self._links: dict[str, LinkChanged] = {}
        self._shops: defaultdict[str, set[str]] = defaultdict(set)

    def apply(self, event: LinkChanged) -> tuple[str, ...]:
        """Store an event, and return the connections of which links have changed: none if the revision is not higher.

        A link that has ended is kept for its revision, because the shop may be linked anew, and is not listed.
        """
        stored = self._links.get(event.connection)
        if stored is not None and event.revision <= stored.revision:
            return ()
        shop, database = event.connections
        changed = {shop, database}
        if stored is not None:
            changed.update(stored.connections)
            self._shops[stored.connections[1]].discard(shop)
        self._links[shop] = event
        if event.state != ENDED:
            self._shops[database].add(shop)
        return tuple(sorted(changed))

    def list_links(self, connection: str, merchant: UUID | None) -> list[LinkSummary]:
        """Return the links of a connection that have not ended and are those of its present merchant."""
        return [_summarise(event, connection) for event in self._list_events(connection) if event.merchant == merchant]

    def _list_events(self, connection: str) -> Iterator[LinkChanged]:
        own = self._links.get(connection)
        if own is not None and own.state != ENDED:
            yield own
        yield from (self._links[shop] for shop in sorted(self._shops.get(connection, ())))


def _summarise(event: LinkChanged, connection: str) -> LinkSummary:
    (other,) = (one for one in event.connections if one != connection)
    return LinkSummary(parse_platform(other), event.state, event.pairs, event.planned_fields)
