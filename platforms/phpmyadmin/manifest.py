"""The manifest of phpMyAdmin: its names and its settings."""

from platform_sdk.manifests import FETCHER, GATEWAY, SCHEDULER, Manifest, Setting
from platforms.phpmyadmin.names import ACCOUNT

MANIFEST = Manifest(
    slug="phpmyadmin",
    title="phpMyAdmin",
    account_noun="table",
    account_pattern=ACCOUNT,
    object_key="{slug}/{account}.json",
    works_without_settings=True,
    settings=(
        Setting(
            "PHPMYADMIN_URL",
            required=True,
            is_foreign=True,
            description="Address of a phpMyAdmin, and a login there, for tables of this installation's own: they are"
            " connected when the gateway starts. These four are given together, or none of them; merchants connect"
            " their tables on the gateway's page either way.",
        ),
        Setting("PHPMYADMIN_USERNAME", required=True),
        Setting("PHPMYADMIN_PASSWORD", required=True, secret=True, is_foreign=True),
        Setting("PHPMYADMIN_DATABASE", required=True),
        Setting(
            "PHPMYADMIN_SERVER",
            default="1",
            description="The number of the server, where that phpMyAdmin has several.",
        ),
        Setting(
            "PHPMYADMIN_TABLES",
            default="orders",
            description="The tables, separated by commas.",
        ),
        Setting(
            "PHPMYADMIN_MERCHANT",
            description="The merchant (a UUID) to whom these tables belong. Default: one of the installation's own.",
        ),
        Setting(
            "PHPMYADMIN_ALLOWED_HOSTS",
            readers=(GATEWAY, FETCHER),
            stack_value="{sandbox_url}",
            is_foreign=True,
            description="Hosts (`host`, `host:port` or an address, separated by commas) that may be called although"
            " they have no public address or no https. All others must have both.",
        ),
        Setting(
            "PHPMYADMIN_ROWS_PER_SECOND",
            readers=(FETCHER,),
            default="10000",
            description="The most rows a second that are read with one login.",
        ),
        Setting(
            "PHPMYADMIN_MAX_BYTES",
            readers=(FETCHER,),
            default="268435456",
            description="The largest answer, in bytes, that is read of a phpMyAdmin.",
        ),
        Setting(
            "PHPMYADMIN_POLL_CRON",
            readers=(SCHEDULER,),
            default="0 * * * *",
            description="When each table gets a full sync (cron, UTC). An unchanged table costs two or three small"
            " requests.",
        ),
    ),
)
