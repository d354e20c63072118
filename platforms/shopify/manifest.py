"""The manifest of Shopify: its names and its settings."""

from platform_sdk.manifests import FETCHER, GATEWAY, OPERATOR, SANDBOX, SCHEDULER, Manifest, Setting
from platforms.shopify.shop_names import SHOP_DOMAIN

MANIFEST = Manifest(
    slug="shopify",
    title="Shopify",
    account_noun="shop",
    account_pattern=SHOP_DOMAIN,
    object_key="{account}/shopify_data.json",
    is_destination=True,
    probe_setting="SHOPIFY_SHOP_URL",
    # Stands for a shop: whatever answers under Shopify's domain, with whatever status, has a Date.
    probe_account="www.myshopify.com",
    settings=(
        Setting(
            "SHOPIFY_API_KEY",
            required=True,
            readers=(GATEWAY, SANDBOX),
            generated="token",
            description="Client id and secret of the app in the Shopify Partner dashboard."
            " `make up`: generated, for the sandbox.",
        ),
        Setting("SHOPIFY_API_SECRET", readers=(GATEWAY, SANDBOX), generated="token", required=True),
        Setting(
            "SHOPIFY_API_SECRET_PREVIOUS",
            secret=True,
            description="The secret before a rotation: webhooks signed with it are still accepted while it is set.",
        ),
        Setting(
            "SHOPIFY_REDIRECT_URI",
            required=True,
            readers=(GATEWAY, OPERATOR),
            stack_value="{gateway_people_url}/shopify/callback",
            description="Where Shopify sends the merchant back to; must be among the app's allowed redirection URLs."
            " `make up`: http://127.0.0.1:5000/shopify/callback",
        ),
        Setting(
            "SHOPIFY_WEBHOOK_ADDRESS",
            required=True,
            readers=(GATEWAY, OPERATOR),
            stack_value="{gateway_url}/shopify/webhook",
            description="Where Shopify delivers webhooks. `make up`: http://127.0.0.1:5000/shopify/webhook",
        ),
        Setting(
            "SHOPIFY_API_VERSION",
            readers=(GATEWAY, FETCHER),
            default="2026-10",
            description="Version of the Admin API.",
        ),
        Setting(
            "SHOPIFY_SHOP_URL",
            readers=(GATEWAY, FETCHER, OPERATOR),
            stack_value="{sandbox_url}/shops/{shop}",
            default="https://{shop}",
            replaces_sandbox=True,
            description="Address of a shop; {shop} stands for its domain. `make up` uses the sandbox's, which is not"
            " started when this is set.",
        ),
        Setting(
            "SHOPIFY_PEOPLE_URL",
            stack_value="{sandbox_people_url}/shops/{shop}",
            description="The same for people's browsers, where they reach a shop by another address than the services."
            " Default: SHOPIFY_SHOP_URL.",
        ),
        Setting(
            "SHOPIFY_SCOPES",
            description="Access scopes requested of a merchant, separated by commas; resources whose scope is not"
            " granted are skipped. Default: read_products,read_inventory,read_locations,read_discounts",
        ),
        Setting(
            "SHOPIFY_POLL_CRON",
            readers=(SCHEDULER,),
            default="0 0 * * *",
            description="When each shop gets a full sync (cron, UTC).",
        ),
    ),
)
