"""Says what a removal on one side means for a pair. Nothing is ever deleted in Odoo."""

from dataclasses import dataclass
from enum import StrEnum

from linking.records import Side
from linking.settings import LinkSettings


class Removal(StrEnum):
    """What has happened to a record of a pair."""

    GONE = "gone"
    ARCHIVED = "archived"


class RemovalAction(StrEnum):
    """What is done to the record on the other side."""

    KEEP = "keep"
    DRAFT = "draft"
    """Take it off sale without archiving it."""
    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True)
class RemovalEffect:
    """What follows from a removal.

    With `unlinks`, the pair becomes `unlinked`: its other record is not exported again until a person says so, while a
    new record with its SKU is matched anew. `target` is the side on which `action` is done; None for `keep`.
    """

    unlinks: bool
    action: RemovalAction
    target: Side | None = None


def decide_removal(side: Side, removal: Removal, settings: LinkSettings) -> RemovalEffect:
    """Return what follows when the record of a pair on `side` is archived or gone."""
    unlinks = removal is Removal.GONE
    if side is Side.ODOO:
        action = RemovalAction(settings.on_odoo_archive)
    elif unlinks:
        action = RemovalAction(settings.on_shopify_delete)
    else:
        # Shopify's archive is a state of the product as its drafts are, and comes as the field `published`.
        action = RemovalAction.KEEP
    return RemovalEffect(unlinks, action, None if action is RemovalAction.KEEP else side.other)
