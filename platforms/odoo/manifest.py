"""The manifest of Odoo: its names and its settings."""

from platform_sdk.manifests import FETCHER, GATEWAY, SCHEDULER, Manifest, Setting
from platforms.odoo.names import ACCOUNT

MANIFEST = Manifest(
    slug="odoo",
    title="Odoo",
    account_noun="database",
    account_pattern=ACCOUNT,
    object_key="{slug}/{account}/odoo_data.json",
    works_without_settings=True,
    is_destination=True,
    settings=(
        Setting(
            "ODOO_ALLOWED_HOSTS",
            readers=(GATEWAY, FETCHER),
            stack_value="{sandbox_url}",
            is_foreign=True,
            description="Hosts of Odoo (`host`, `host:port` or an address, separated by commas) that may be called"
            " although they have no public address or no https. All others must have both. Merchants connect their"
            " databases on the gateway's page.",
        ),
        Setting(
            "ODOO_CALLS_PER_SECOND",
            readers=(FETCHER,),
            default="1",
            description="The most calls a second to a database of *.odoo.com, one at a time. Others get four at once.",
        ),
        Setting(
            "ODOO_HINTS",
            default="false",
            description="Whether automations in Odoo may say what has changed, at addresses that"
            " `merchant-sync connections hint` shows. Without them changes come with the next poll.",
        ),
        Setting(
            "ODOO_POLL_CRON",
            readers=(SCHEDULER,),
            default="30 3 * * *",
            description="When each database is read whole (cron, UTC).",
        ),
        Setting(
            "ODOO_POLL_SECONDS",
            readers=(SCHEDULER,),
            default="30",
            description="After how many seconds what has changed in each database is read; 0 for the whole reads only.",
        ),
    ),
)
