"""The manifest of Facebook: its names and its settings."""

from platform_sdk.manifests import FETCHER, GATEWAY, OPERATOR, SANDBOX, SCHEDULER, Manifest, Setting
from platforms.facebook.ids import PAGE_ID

MANIFEST = Manifest(
    slug="facebook",
    title="Facebook",
    account_noun="page",
    account_pattern=PAGE_ID,
    object_key="{slug}/{account}/page_data.json",
    probe_setting="FACEBOOK_GRAPH_URL",
    has_deletion_callbacks=True,
    settings=(
        Setting(
            "FACEBOOK_APP_ID",
            required=True,
            readers=(GATEWAY, SANDBOX),
            generated="app_id",
            is_app=True,
            description="Id (15 to 20 digits) and secret of the app in Meta's developer dashboard. The id, the secret,"
            " the verify token and the two addresses are given together, or none of them: without them everything else"
            " runs, and Facebook's login reports that it is not configured.",
        ),
        Setting("FACEBOOK_APP_SECRET", readers=(GATEWAY, FETCHER, SANDBOX), generated="token", required=True),
        Setting(
            "FACEBOOK_APP_SECRET_PREVIOUS",
            secret=True,
            description="The secret before a rotation: webhooks signed with it are still accepted while it is set.",
        ),
        Setting(
            "FACEBOOK_VERIFY_TOKEN",
            required=True,
            generated="token",
            description="Chosen by you: Facebook sends it when it verifies the webhook address.",
        ),
        Setting(
            "FACEBOOK_REDIRECT_URI",
            required=True,
            readers=(GATEWAY, OPERATOR),
            stack_value="{gateway_people_url}/facebook/callback",
            description="Where Facebook sends the merchant back to; must be among the app's valid OAuth redirect URIs.",
        ),
        Setting(
            "FACEBOOK_WEBHOOK_ADDRESS",
            required=True,
            readers=(GATEWAY, OPERATOR),
            stack_value="{gateway_url}/facebook/webhook",
            description="Where Facebook delivers webhooks.",
        ),
        Setting(
            "FACEBOOK_API_VERSION",
            readers=(GATEWAY, FETCHER),
            default="v25.0",
            description="Version of the Graph API. One that has expired is answered by a later one, which"
            " webhook_status then reports.",
        ),
        Setting(
            "FACEBOOK_GRAPH_URL",
            readers=(GATEWAY, FETCHER, OPERATOR),
            stack_value="{sandbox_url}/graph",
            default="https://graph.facebook.com",
            description="Address of the Graph API.",
        ),
        Setting(
            "FACEBOOK_DIALOG_URL",
            stack_value="{sandbox_people_url}/facebook",
            default="https://www.facebook.com",
            description="Address of the dialog for people.",
        ),
        Setting(
            "FACEBOOK_SCOPES",
            description="Permissions requested of a merchant, separated by commas. Default:"
            " pages_show_list,pages_manage_metadata,pages_read_engagement,pages_messaging",
        ),
        Setting(
            "FACEBOOK_SUBSCRIBED_FIELDS",
            description="Fields of a page whose changes are delivered, separated by commas; `about` and `link` have no"
            " webhooks. Other subscriptions of the app (a bot's messages) stay. Default:"
            " name,category,picture,description,website,phone,email,location,hours,bio,general_info",
        ),
        Setting(
            "FACEBOOK_PAGE_FIELDS",
            readers=(FETCHER,),
            description="Fields of a page that are read, separated by commas; one that Meta refuses is skipped and"
            " reported once. Default: those of a page's document.",
        ),
        Setting(
            "FACEBOOK_POLL_CRON",
            readers=(SCHEDULER,),
            default="0 0 * * *",
            description="When each page gets a full sync (cron, UTC).",
        ),
        Setting(
            "FACEBOOK_DEAUTHORIZE_URL",
            readers=(SANDBOX,),
            stack_value="{gateway_url}/facebook/deauthorize",
            description="Where the sandbox's Facebook notifies the app that a person has removed it, or requests the"
            " deletion of all data. `make up`: the gateway's /facebook/deauthorize and /facebook/data-deletion.",
        ),
        Setting("FACEBOOK_DELETION_URL", readers=(SANDBOX,), stack_value="{gateway_url}/facebook/data-deletion"),
    ),
)
