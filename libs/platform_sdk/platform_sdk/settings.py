"""What the settings of all platforms share: how they are read, and the checks that several of them need."""

from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from platform_sdk.manifests import Manifest


class PlatformSettings(BaseSettings):
    """Settings of a platform from the environment, `.env` and a folder. Unknown ones are ignored, an empty value counts
    as not given, and no error shows a value.

    The settings that `manifest` requires are given together, or none of them: then the platform is not configured.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )
    manifest: ClassVar[Manifest]

    @model_validator(mode="after")
    def check_required(self) -> Self:
        """Raise ValueError when some of the required settings are given and others are not; it names those."""
        missing = self._list_missing()
        if missing and len(missing) < len(self.manifest.mandatory_settings):
            title = self.manifest.title
            raise ValueError(f"{', '.join(missing)}: required, because other settings of {title}'s app are given")
        return self

    @property
    def is_configured(self) -> bool:
        """Whether accounts can be connected: nothing that is required is missing."""
        return not self._list_missing()

    def _list_missing(self) -> list[str]:
        return [name for name in self.manifest.mandatory_settings if not _reveal(getattr(self, name.lower()))]


def _reveal(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def check_url(value: str) -> str:
    """Return an http or https URL as it is. Raises ValueError for anything else."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise ValueError("must be an http or https address")
    return value


def check_base_url(value: str) -> str:
    """Return an http or https URL without a slash at its end. Raises ValueError for anything else."""
    return check_url(value).rstrip("/")


def split_names(value: object) -> object:
    """Return the names in a list that is separated by commas; a value that is no text as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def list_secrets(*secrets: SecretStr) -> tuple[str, ...]:
    """Return the values of the secrets that are given, in their order."""
    return tuple(secret.get_secret_value() for secret in secrets if secret.get_secret_value())


Url = Annotated[str, AfterValidator(check_url)]
OptionalUrl = Annotated[str, AfterValidator(lambda value: value and check_url(value))]
BaseUrl = Annotated[str, AfterValidator(check_base_url)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_names)]
