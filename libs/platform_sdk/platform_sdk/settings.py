"""What the settings of all platforms share: how they are read, and the checks that several of them need."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class PlatformSettings(BaseSettings):
    """Settings of a platform from the environment, `.env` and a folder. Unknown ones are ignored, an empty value counts
    as not given, and no error shows a value."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )


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


def check_all_or_none(values: Mapping[str, str], title: str) -> None:
    """Raise ValueError when some of a platform's required settings are given and others are not; it names those."""
    missing = [name for name, value in values.items() if not value]
    if missing and len(missing) < len(values):
        raise ValueError(f"{', '.join(missing)}: required, because other settings of {title}'s app are given")


OptionalUrl = Annotated[str, AfterValidator(lambda value: value and check_url(value))]
BaseUrl = Annotated[str, AfterValidator(check_base_url)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_names)]
