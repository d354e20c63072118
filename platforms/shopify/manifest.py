"""What Shopify is called here, and its settings."""

from platform_sdk.manifests import FETCHER, GATEWAY, SANDBOX, Manifest, Setting

MANIFEST = Manifest(
    slug="shopify",
    title="Shopify",
    account_noun="shop",
    settings=(
        Setting("SHOPIFY_API_KEY", readers=(GATEWAY, SANDBOX), generated="token", required=True),
        Setting("SHOPIFY_API_SECRET", readers=(GATEWAY, SANDBOX), generated="token", required=True),
        Setting("SHOPIFY_API_SECRET_PREVIOUS", secret=True),
        Setting("SHOPIFY_REDIRECT_URI", stack_value="{gateway_people_url}/shopify/callback", required=True),
        Setting("SHOPIFY_WEBHOOK_ADDRESS", stack_value="{gateway_url}/shopify/webhook", required=True),
        Setting("SHOPIFY_API_VERSION", readers=(GATEWAY, FETCHER), default="2026-10"),
        Setting(
            "SHOPIFY_SHOP_URL",
            readers=(GATEWAY, FETCHER),
            stack_value="{sandbox_url}/shops/{shop}",
            is_app=True,
            default="https://{shop}",
        ),
        Setting("SHOPIFY_PEOPLE_URL", stack_value="{sandbox_people_url}/shops/{shop}"),
        Setting("SHOPIFY_SCOPES"),
    ),
    probe_address="https://www.myshopify.com",
)
