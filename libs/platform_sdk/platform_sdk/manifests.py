"""What a platform is called and which settings it has, for every service, the command line and the deploy files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

GATEWAY, SCHEDULER, FETCHER, SANDBOX, OPERATOR = "gateway", "scheduler", "fetcher", "sandbox", "operator"
"""The parts of an installation that may read a platform's setting. `operator` is the command line."""
_SANDBOX_PLACEHOLDERS = ("{sandbox_url}", "{sandbox_people_url}")


@dataclass(frozen=True)
class Setting:
    """One setting of a platform, read from the environment.

    `readers` are the parts that get it. `stack_value` is its value where it is not given, with these placeholders:
    `{gateway_url}` is the gateway as other services reach it, `{gateway_people_url}` as browsers do; `{sandbox_url}`
    and `{sandbox_people_url}` are the sandbox likewise, and a value that contains one of these is used with the sandbox
    alone. `generated` names the kind of secret that is generated for use with the sandbox: `token` (32 hexadecimal
    characters) or `app_id` (16 digits). `description` is the comment above it in `deploy/env.example`, where a setting
    without one belongs to the setting before it.
    """

    name: str
    readers: tuple[str, ...] = (GATEWAY,)
    stack_value: str | None = None
    generated: str | None = None
    default: str | None = None
    """The value that its readers assume where nobody gives it."""
    description: str = ""
    is_app: bool = False
    """Whether the setting names the operator's own app. Where one is given, nothing is generated for the platform and
    its sandbox is not used. A platform that has such a setting is optional: without an app it is not offered."""
    required: bool = False
    """Whether the gateway needs it to connect accounts. The required settings are given together, or none of them."""
    secret: bool = False
    """Whether the value is a secret although none is generated, e.g. the secret before a rotation."""
    replaces_sandbox: bool = False
    """Whether `make up` starts no sandbox where this setting is given."""

    @property
    def is_secret(self) -> bool:
        """Whether the value must be known to its readers only."""
        return self.secret or self.generated is not None

    @property
    def uses_sandbox(self) -> bool:
        """Whether `stack_value` names the sandbox."""
        return any(placeholder in (self.stack_value or "") for placeholder in _SANDBOX_PLACEHOLDERS)

    def render_stack_value(self, urls: Mapping[str, str]) -> str:
        """Return `stack_value` with the placeholders `gateway_url`, … replaced; any other `{word}` stays as it is."""
        value = self.stack_value or ""
        for placeholder, url in urls.items():
            value = value.replace(f"{{{placeholder}}}", url)
        return value


@dataclass(frozen=True)
class Manifest:
    """A platform's slug (begins connections, paths, topics), its name for people, and what it calls its accounts."""

    slug: str
    title: str
    account_noun: str
    settings: tuple[Setting, ...] = ()
    probe_setting: str = ""
    """The setting with an address of the platform that answers any HTTP request, to compare clocks; empty: none."""
    probe_account: str = ""
    """What replaces a placeholder such as `{shop}` in that address."""
    has_deletion_callbacks: bool = False
    """Whether the platform posts the requests of persons (removal of the app, deletion of data) to the gateway."""

    @property
    def fetcher(self) -> str:
        """The name of the service that reads the platform."""
        return f"{self.slug}-fetcher"

    @property
    def is_optional(self) -> bool:
        """Whether an installation may do without the platform: it needs an app of the operator's own."""
        return any(setting.is_app for setting in self.settings)

    @property
    def mandatory_settings(self) -> tuple[str, ...]:
        """The names of the settings without which no account can be connected."""
        return tuple(setting.name for setting in self.settings if setting.required)

    @property
    def poll_cron_setting(self) -> str:
        """The setting with the cron expression of the platform's polls."""
        return self._name_setting("POLL_CRON")

    @property
    def redirect_uri_setting(self) -> str:
        """The setting with the address that browsers return to after a login, where the platform has logins."""
        return self._name_setting("REDIRECT_URI")

    @property
    def webhook_address_setting(self) -> str:
        """The setting with the address that the platform delivers webhooks to, where it has webhooks."""
        return self._name_setting("WEBHOOK_ADDRESS")

    def list_settings(self, reader: str) -> Iterator[Setting]:
        """Yield the settings that this part gets."""
        return (setting for setting in self.settings if reader in setting.readers)

    def list_secrets(self, reader: str) -> Iterator[Setting]:
        """Yield the generated secrets that this part gets."""
        return (setting for setting in self.list_settings(reader) if setting.generated)

    def find_setting(self, name: str) -> Setting | None:
        """Return the setting of this name, None where the platform has none."""
        return next((setting for setting in self.settings if setting.name == name), None)

    def _name_setting(self, suffix: str) -> str:
        return f"{self.slug.upper().replace('-', '_')}_{suffix}"
