"""The base class of a platform's settings, and the validators that several platforms use."""

from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from platform_sdk.manifests import Manifest
from platform_sdk.public_addresses import AllowedHost, parse_allowed_host

MISSING_SETTINGS = "missing_settings"
"""The type of the error for settings that are required together with others. Its context has their `names`."""


class PlatformSettings(BaseSettings):
    """The settings of a platform, read from the environment, `.env` and the folder of mounted secrets.

    Unknown settings are ignored, an empty value counts as not given, and no error shows a value. Either all settings
    that `manifest` requires are given, or none of them. With none of them the platform is not configured, or has no
    own accounts if it works without settings.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )
    manifest: ClassVar[Manifest]

    @model_validator(mode="after")
    def require_all_or_none(self) -> Self:
        """Raise an error of the type `MISSING_SETTINGS` when only some of the required settings are given."""
        missing = self._list_missing()
        if missing and len(missing) < len(self.manifest.mandatory_settings):
            raise PydanticCustomError(
                MISSING_SETTINGS,
                "{names}: required, because other settings of {title} are given",
                {"names": ", ".join(missing), "title": self.manifest.title},
            )
        return self

    @property
    def is_configured(self) -> bool:
        """Whether accounts can be connected: all required settings are given, or the platform works without them."""
        return self.manifest.works_without_settings or not self._list_missing()

    @property
    def has_own_accounts(self) -> bool:
        """Whether the settings name own accounts: the platform works without settings, and all required are given."""
        return self.manifest.works_without_settings and not self._list_missing()

    def _list_missing(self) -> list[str]:
        return [name for name in self.manifest.mandatory_settings if not _reveal(getattr(self, name.lower()))]


def _reveal(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def check_url(value: str) -> str:
    """Return `value` unchanged when it is an http or https URL without a fragment. Raises ValueError otherwise."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise ValueError("must be an http or https address")
    return value


def normalise_base_url(value: str) -> str:
    """Return an http or https URL without its trailing slashes. Raises ValueError for anything else."""
    return check_url(value).rstrip("/")


def split_names(value: object) -> object:
    """Return the names in a text of comma-separated names. A value that is not a text is returned unchanged."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def parse_allowed_hosts(value: object) -> object:
    """Return the hosts in a text such as `127.0.0.1:8080,db.internal`. Other values are returned unchanged.

    Raises ValueError for what is neither `host` nor `host:port`.
    """
    names = split_names(value)
    return tuple(map(parse_allowed_host, names)) if isinstance(value, str) and isinstance(names, tuple) else value


def list_secrets(*secrets: SecretStr) -> tuple[str, ...]:
    """Return the values of `secrets` in the given order, without the empty ones."""
    return tuple(secret.get_secret_value() for secret in secrets if secret.get_secret_value())


Url = Annotated[str, AfterValidator(check_url)]
OptionalUrl = Annotated[str, AfterValidator(lambda value: value and check_url(value))]
BaseUrl = Annotated[str, AfterValidator(normalise_base_url)]
OptionalBaseUrl = Annotated[str, AfterValidator(lambda value: value and normalise_base_url(value))]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_names)]
AllowedHosts = Annotated[tuple[AllowedHost, ...], NoDecode, BeforeValidator(parse_allowed_hosts)]
