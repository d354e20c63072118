"""The effects of one edit of a shop: the records to store and the webhooks to send."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.shopify.model import Collection, Discount, Location, MetafieldDefinition, Product, Record


@dataclass(slots=True)
class ChangeSet:
    """Collects the effects of one edit of a shop: the records to store and the webhooks to send.

    `records` maps (kind, number) to the new version of a record, or to None for a deleted record. `events` are pairs of
    a topic and a webhook body. Events of a topic that is not in `subscribed_topics` are not added. With
    `inventory_touches_product`, a change of a product's inventory also sets the product's `updated_at`.
    """

    subscribed_topics: frozenset[str] = frozenset()
    inventory_touches_product: bool = True
    records: dict[tuple[str, int], Record | None] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def add_changed_record(
        self, kind: str, record: Product | Collection | Discount | Location | MetafieldDefinition
    ) -> None:
        """Add a new or changed `record` of the given `kind`, such as product, to the records to store."""
        self.records[kind, record.number] = record

    def add_deleted_record(self, kind: str, number: int) -> None:
        """Add to the records to store that the record `number` of the given `kind`, such as product, is deleted."""
        self.records[kind, number] = None

    def add_event_if_subscribed(self, topic: str, build_body: Callable[..., dict[str, Any]], *subjects: Any) -> None:
        """Add a webhook with the body `build_body(*subjects)`, if there is a subscription to `topic`."""
        if topic in self.subscribed_topics:
            self.events.append((topic, build_body(*subjects)))
