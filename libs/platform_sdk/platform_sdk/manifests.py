"""What a platform is called and which settings it has, for every service, the runner and the deploy files."""

from collections.abc import Iterator
from dataclasses import dataclass

GATEWAY, FETCHER, SANDBOX = "gateway", "fetcher", "sandbox"
"""The parts of an installation that a platform's setting may be given to."""


@dataclass(frozen=True)
class Setting:
    """One setting of a platform, read from the environment.

    `readers` are the parts that get it. `stack_value` is its value on a stack with the sandbox; in it `{gateway_url}`,
    `{gateway_people_url}`, `{sandbox_url}` and `{sandbox_people_url}` are replaced, and all else stays (`{shop}`).
    `generated` names the kind of secret that is generated for the sandbox instead: `token` (URL-safe text) or `app_id`
    (15 digits).
    """

    name: str
    readers: tuple[str, ...] = (GATEWAY,)
    stack_value: str | None = None
    generated: str | None = None
    required: bool = False
    """Whether the gateway needs it to connect accounts. The required settings are given together, or none of them."""
    is_app: bool = False
    """Whether the setting names the operator's own app: where one is given, nothing of the sandbox's app is used."""
    default: str | None = None
    """The value where nobody gives it, for tools that must know it."""
    secret: bool = False
    """Whether the value is a secret, although none is generated for the sandbox."""

    @property
    def is_secret(self) -> bool:
        """Whether the value must be known to its readers only."""
        return self.secret or self.generated is not None


@dataclass(frozen=True)
class Manifest:
    """A platform's slug (begins connections, paths, topics), its name for people, and what it calls its accounts."""

    slug: str
    title: str
    account_noun: str
    settings: tuple[Setting, ...] = ()
    probe_address: str = ""
    """An address of the platform that answers any HTTP request, to compare clocks; empty where there is none."""
    has_deletion_callbacks: bool = False
    """Whether the platform posts the requests of persons (removal of the app, deletion of data) to the gateway."""

    @property
    def fetcher(self) -> str:
        """The name of the service that reads the platform."""
        return f"{self.slug}-fetcher"

    @property
    def poll_cron_setting(self) -> str:
        """The setting with the cron expression of the platform's polls."""
        return f"{self.slug.upper().replace('-', '_')}_POLL_CRON"

    @property
    def required_settings(self) -> tuple[str, ...]:
        """The names of the settings without which no account can be connected."""
        return tuple(setting.name for setting in self.settings if setting.required)

    def list_settings(self, reader: str) -> Iterator[Setting]:
        """Yield the settings that this part gets."""
        return (setting for setting in self.settings if reader in setting.readers)
