"""The manifest of Bookshop: its names and its only setting."""

from platform_sdk.manifests import FETCHER, GATEWAY, Manifest, Setting

MANIFEST = Manifest(
    slug="bookshop",
    title="Bookshop",
    account_noun="shop",
    object_key="{slug}/{account}/bookshop_data.json",
    settings=(Setting("BOOKSHOP_API_URL", readers=(GATEWAY, FETCHER), required=True, is_app=True),),
)
