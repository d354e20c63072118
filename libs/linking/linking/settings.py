"""The settings of a link: one declarative form, which pages, the command line and files share."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from linking.fields import DEFAULT_RULES, FIELDS, Authority, Group, GroupRule, list_field_names
from linking.planning import PlanRules
from linking.records import DomainPreset, ExtractOptions, Side, SkuFormat
from linking.stock import get_counting_side


class OnShopifyDelete(StrEnum):
    """What becomes of the Odoo product of a pair whose product is gone in Shopify."""

    KEEP = "keep"
    ARCHIVE = "archive"


class OnOdooArchive(StrEnum):
    """What becomes of the Shopify product of a pair whose product is archived or gone in Odoo."""

    DRAFT = "draft"
    ARCHIVE = "archive"
    KEEP = "keep"
    DELETE = "delete"


class GroupSettings(BaseModel):
    """The rule of a group of fields. Without `authority` it has the default one; without `one_way`, changes go both
    ways."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    authority: Authority | None = None
    one_way: Side | None = None


class LinkSettings(BaseModel):
    """What a link keeps in step, and how. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    groups: Mapping[Group, GroupSettings] = Field(default_factory=dict)
    """Rules that differ from the defaults (`DEFAULT_RULES`)."""
    fields: tuple[str, ...] = list_field_names()
    sku_format: SkuFormat = SkuFormat.PLAIN
    odoo_domain: tuple[DomainPreset, ...] = (DomainPreset.SALE_OK, DomainPreset.ACTIVE)
    on_shopify_delete: OnShopifyDelete = OnShopifyDelete.KEEP
    on_odoo_archive: OnOdooArchive = OnOdooArchive.DRAFT
    create_in: tuple[Side, ...] = tuple(Side)
    """The sides on which products are made that the other side has alone."""
    locations: Mapping[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)
    """The id of the Odoo location by the gid of the Shopify location. Others are not kept in step."""
    test_store: bool = False
    """Whether the shop is for tests: only there what destroys (a reset) is allowed."""

    @field_validator("fields")
    @classmethod
    def check_fields(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse names that no shared field has."""
        unknown = sorted(set(names) - {one.name for one in FIELDS})
        if unknown:
            raise ValueError(f"no shared field is named {', '.join(unknown)}")
        return tuple(dict.fromkeys(names))

    @field_validator("groups")
    @classmethod
    def check_groups(cls, groups: Mapping[Group, GroupSettings]) -> Mapping[Group, GroupSettings]:
        """Refuse `newest` and `hold` for stock: its changes are added up, and one side's are sales."""
        stock = groups.get(Group.STOCK)
        if stock and stock.authority:
            get_counting_side(GroupRule(stock.authority))
        return groups

    @field_validator("odoo_domain")
    @classmethod
    def check_domain(cls, presets: tuple[DomainPreset, ...]) -> tuple[DomainPreset, ...]:
        """Drop what is named twice."""
        return tuple(dict.fromkeys(presets))

    @field_validator("create_in")
    @classmethod
    def check_sides(cls, sides: tuple[Side, ...]) -> tuple[Side, ...]:
        """Drop what is named twice."""
        return tuple(dict.fromkeys(sides))

    @field_validator("locations")
    @classmethod
    def check_locations(cls, locations: Mapping[str, int]) -> Mapping[str, int]:
        """Refuse an Odoo location for two Shopify locations: each would count the other one's changes."""
        if len(set(locations.values())) < len(locations):
            raise ValueError("an Odoo location stands for one Shopify location only")
        return locations

    def get_rule(self, group: Group) -> GroupRule:
        """Return the rule of a group: the link's own, or the default."""
        own = self.groups.get(group)
        default = DEFAULT_RULES[group]
        return GroupRule(own.authority or default.authority, own.one_way) if own else default

    def build_rules(self, currency: str | None) -> PlanRules:
        """Return the rules for planning. `currency` is that of both sides; None if they differ or are not known."""
        return PlanRules({group: self.get_rule(group) for group in Group}, currency)

    def build_extract_options(self) -> ExtractOptions:
        """Return what the platforms' `linking` modules must know of these settings."""
        return ExtractOptions(self.sku_format, self.odoo_domain)
