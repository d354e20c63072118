"""What Facebook is called here, and its settings."""

from platform_sdk.manifests import FETCHER, GATEWAY, SANDBOX, Manifest, Setting

MANIFEST = Manifest(
    slug="facebook",
    title="Facebook",
    account_noun="page",
    settings=(
        Setting("FACEBOOK_APP_ID", readers=(GATEWAY, SANDBOX), generated="app_id", is_app=True, required=True),
        # The fetcher signs its calls with the secret, too.
        Setting("FACEBOOK_APP_SECRET", readers=(GATEWAY, FETCHER, SANDBOX), generated="token", required=True),
        Setting("FACEBOOK_APP_SECRET_PREVIOUS", secret=True),
        Setting("FACEBOOK_VERIFY_TOKEN", generated="token", required=True),
        Setting("FACEBOOK_REDIRECT_URI", stack_value="{gateway_people_url}/facebook/callback", required=True),
        Setting("FACEBOOK_WEBHOOK_ADDRESS", stack_value="{gateway_url}/facebook/webhook", required=True),
        Setting("FACEBOOK_API_VERSION", readers=(GATEWAY, FETCHER), default="v25.0"),
        Setting(
            "FACEBOOK_GRAPH_URL",
            readers=(GATEWAY, FETCHER),
            stack_value="{sandbox_url}/graph",
            default="https://graph.facebook.com",
        ),
        Setting(
            "FACEBOOK_DIALOG_URL",
            stack_value="{sandbox_people_url}/facebook",
            default="https://www.facebook.com",
        ),
        Setting("FACEBOOK_SCOPES"),
        Setting("FACEBOOK_SUBSCRIBED_FIELDS"),
        Setting("FACEBOOK_PAGE_FIELDS", readers=(FETCHER,)),
        Setting("FACEBOOK_DEAUTHORIZE_URL", readers=(SANDBOX,), stack_value="{gateway_url}/facebook/deauthorize"),
        Setting("FACEBOOK_DELETION_URL", readers=(SANDBOX,), stack_value="{gateway_url}/facebook/data-deletion"),
    ),
    probe_address="https://graph.facebook.com",
    has_deletion_callbacks=True,
)
