"""A record that is archived or gone unlinks its pair, or changes the other record, as the link's settings say."""

import pytest

from linking.records import Side
from linking.removals import Removal, RemovalAction, RemovalEffect, decide_removal
from linking.settings import LinkSettings, OnOdooArchive, OnShopifyDelete

SHOPIFY, ODOO = Side.SHOPIFY, Side.ODOO


def test_what_is_gone_in_shopify_is_unlinked_and_kept_in_odoo() -> None:
    assert decide_removal(SHOPIFY, Removal.GONE, LinkSettings()) == RemovalEffect(True, RemovalAction.KEEP)


def test_what_is_gone_in_shopify_may_be_archived_in_odoo() -> None:
    settings = LinkSettings(on_shopify_delete=OnShopifyDelete.ARCHIVE)
    assert decide_removal(SHOPIFY, Removal.GONE, settings) == RemovalEffect(True, RemovalAction.ARCHIVE, ODOO)


def test_what_is_archived_in_shopify_is_no_removal() -> None:
    settings = LinkSettings(on_shopify_delete=OnShopifyDelete.ARCHIVE)
    assert decide_removal(SHOPIFY, Removal.ARCHIVED, settings) == RemovalEffect(False, RemovalAction.KEEP)


@pytest.mark.parametrize("removal", Removal)
def test_what_is_archived_or_gone_in_odoo_becomes_a_draft_in_shopify(removal: Removal) -> None:
    effect = decide_removal(ODOO, removal, LinkSettings())
    assert effect == RemovalEffect(removal is Removal.GONE, RemovalAction.DRAFT, SHOPIFY)


@pytest.mark.parametrize("setting", OnOdooArchive)
def test_a_link_says_what_becomes_of_a_product_that_is_archived_in_odoo(setting: OnOdooArchive) -> None:
    effect = decide_removal(ODOO, Removal.ARCHIVED, LinkSettings(on_odoo_archive=setting))
    assert effect.action == setting
    assert effect.target is (None if setting is OnOdooArchive.KEEP else SHOPIFY)


@pytest.mark.parametrize("setting", OnShopifyDelete)
@pytest.mark.parametrize("removal", Removal)
def test_nothing_is_ever_deleted_in_odoo(setting: OnShopifyDelete, removal: Removal) -> None:
    effect = decide_removal(SHOPIFY, removal, LinkSettings(on_shopify_delete=setting))
    assert effect.action is not RemovalAction.DELETE
