"""The manifest of a platform: its names and its settings, for the services, the command line and the deploy files."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

GATEWAY, SCHEDULER, FETCHER, SANDBOX, OPERATOR = "gateway", "scheduler", "fetcher", "sandbox", "operator"
"""The parts of an installation that may read a platform's settings. `operator` is the command line.

`fetcher` stands for all of the platform's own services (`Manifest.services`): its writer calls the same API with the
same settings."""
_SANDBOX_PLACEHOLDERS = ("{sandbox_url}", "{sandbox_people_url}")
_LOST_PARTS = frozenset({"", ".", ".."})
"""The parts of a path that browsers and HTTP clients resolve or drop."""


@dataclass(frozen=True)
class Setting:
    """One setting of a platform, read from the environment.

    `readers` are the parts of the installation that receive the setting.

    `stack_value` is the value that `make up` (it runs everything on one machine) uses when the setting is not given. It
    may contain placeholders for URLs: `{gateway_url}` for the gateway as services reach it, `{gateway_people_url}` as
    browsers reach it, and in the same way `{sandbox_url}` and `{sandbox_people_url}` for the sandbox (a simulation of
    the platforms). A value with one of the last two is only used with the sandbox.

    `generated` is the kind of secret that is generated for use with the sandbox: `token` (32 hexadecimal characters) or
    `app_id` (16 digits). `description` is the comment above the setting in `deploy/env.example`; a setting without a
    description is listed there directly below the setting before it.
    """

    name: str
    readers: tuple[str, ...] = (GATEWAY,)
    stack_value: str | None = None
    generated: str | None = None
    default: str | None = None
    """The value that the readers use when the setting is not given."""
    description: str = ""
    is_app: bool = False
    """Whether the setting is the id of the operator's own app at the platform.

    When it is given, no secrets are generated for the platform, and the sandbox is not used. A platform with such a
    setting is optional: without an app, merchants cannot connect accounts of this platform."""
    required: bool = False
    """Whether the gateway needs the setting to connect accounts; own ones, if the platform works without settings.

    Either all required settings are given, or none."""
    secret: bool = False
    """Whether the value is secret although `generated` is None, e.g. the app's secret before a rotation."""
    replaces_sandbox: bool = False
    """Whether `make up` starts no sandbox when this setting is given."""
    is_foreign: bool = False
    """Whether the value concerns a system of somebody else's that differs with each installation.

    Such are the address of a merchant's server and the login there. Production takes them as they are, because nobody
    here has chosen them; the platform's own settings check what must be checked."""

    @property
    def is_secret(self) -> bool:
        """Whether the value is secret: only the parts of the installation in `readers` may know it."""
        return self.secret or self.generated is not None

    @property
    def uses_sandbox(self) -> bool:
        """Whether `stack_value` contains a placeholder for a URL of the sandbox."""
        return any(placeholder in (self.stack_value or "") for placeholder in _SANDBOX_PLACEHOLDERS)

    def render_stack_value(self, urls: Mapping[str, str]) -> str:
        """Return `stack_value` with each `{name}` replaced by `urls[name]`. Other names in braces stay unchanged."""
        value = self.stack_value or ""
        for placeholder, url in urls.items():
            value = value.replace(f"{{{placeholder}}}", url)
        return value


@dataclass(frozen=True)
class Manifest:
    """A platform's names and settings.

    `slug` is its name in connections (`slug:account`), URL paths and Kafka topics, `title` is its display name, and
    `account_noun` is what it calls an account, e.g. `shop`.
    """

    slug: str
    title: str
    account_noun: str
    settings: tuple[Setting, ...] = ()
    probe_setting: str = ""
    """The name of a setting with a URL of the platform, whose responses are used to compare clocks; empty for none."""
    probe_account: str = ""
    """The value for a placeholder such as `{shop}` in the URL of `probe_setting`."""
    works_without_settings: bool = False
    """Whether merchants can connect accounts although no required setting is given.

    The required settings then name this installation's own accounts (`PlatformAdapter.own_accounts`)."""
    is_destination: bool = False
    """Whether links write to the platform. It then has a writer besides the fetcher."""
    has_deletion_callbacks: bool = False
    """Whether the platform posts its users' requests (to remove the app, to delete data) to the gateway."""
    account_pattern: str = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
    """A regular expression that the whole name of an account matches.

    A name may have slashes, between parts that are neither empty nor `.` or `..`: those do not survive in a URL."""
    object_key: str = "{slug}/{account}/data.json"
    """The key, in the bucket, of an account's snapshot. It contains the placeholder `{account}`, so that two accounts
    never share a key, and begins with `{slug}/` unless `account_pattern` excludes the accounts of other platforms."""

    @property
    def fetcher(self) -> str:
        """The name of the service that fetches records from the platform."""
        return f"{self.slug}-fetcher"

    @property
    def writer(self) -> str:
        """The name of the service that writes to the platform. There is none unless `is_destination`."""
        return f"{self.slug}-writer"

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services that call the platform with the tokens of its connections."""
        return (self.fetcher, self.writer) if self.is_destination else (self.fetcher,)

    @property
    def is_optional(self) -> bool:
        """Whether an installation may leave this platform out.

        That is so when one of its settings is the id of the operator's own app at the platform.
        """
        return any(setting.is_app for setting in self.settings)

    @property
    def needs_settings(self) -> bool:
        """Whether an installation must give the required settings: it may neither leave the platform out nor them."""
        return not self.is_optional and not self.works_without_settings

    @property
    def mandatory_settings(self) -> tuple[str, ...]:
        """The names of the required settings, of which either all are given or none.

        Without them no account can be connected, or no own one if the platform works without settings.
        """
        return tuple(setting.name for setting in self.settings if setting.required)

    @property
    def poll_cron_setting(self) -> str:
        """The name of the setting with the cron expression of the platform's polls (regular full syncs)."""
        return self._name_setting("POLL_CRON")

    @property
    def poll_seconds_setting(self) -> str:
        """The name of the setting with the seconds after which what has changed is read. Not every platform has it.

        Where it is given, the polls of `poll_cron_setting` read everything, and those in between continue the full sync
        before them."""
        return self._name_setting("POLL_SECONDS")

    @property
    def redirect_uri_setting(self) -> str:
        """The name of the setting with the URL to which the platform redirects browsers after the consent (OAuth)."""
        return self._name_setting("REDIRECT_URI")

    @property
    def webhook_address_setting(self) -> str:
        """The name of the setting with the URL to which the platform delivers webhooks."""
        return self._name_setting("WEBHOOK_ADDRESS")

    def build_object_key(self, account: str) -> str:
        """Return the key, in the bucket, of the account's snapshot (the document of all its current records).

        Raises `ValueError` when `account` has not the form of an account's name.
        """
        has_lost_part = not _LOST_PARTS.isdisjoint(account.split("/"))
        if has_lost_part or not re.fullmatch(self.account_pattern, account):
            raise ValueError(f"not the name of a {self.account_noun} of {self.title}")
        return self.object_key.format(slug=self.slug, account=account)

    def list_settings(self, reader: str) -> Iterator[Setting]:
        """Yield the settings that `reader`, a part of the installation, receives."""
        return (setting for setting in self.settings if reader in setting.readers)

    def list_generated_secrets(self, reader: str) -> Iterator[Setting]:
        """Yield the settings that `reader` (a part of the installation) receives and whose value can be generated."""
        return (setting for setting in self.list_settings(reader) if setting.generated)

    def find_setting(self, name: str) -> Setting | None:
        """Return the setting of this name; None when the platform has no such setting."""
        return next((setting for setting in self.settings if setting.name == name), None)

    def _name_setting(self, suffix: str) -> str:
        return f"{self.slug.upper().replace('-', '_')}_{suffix}"
