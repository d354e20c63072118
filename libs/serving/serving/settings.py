"""Settings from the environment, `.env` and a folder; a missing or malformed one stops the service with one line."""

import os
import sys
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What every service's settings share: names are the environment's, in any case; unknown ones are ignored,
    and an empty value is as good as none."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )
    otel_exporter_otlp_endpoint: str = ""
    """Base address of the OTLP/HTTP receiver of traces; none: there are no traces."""


S = TypeVar("S", bound=Settings)


FOLDER = "SETTINGS_DIR"
"""The setting that names a folder with a file for each setting, as secrets are mounted; the environment wins."""


def read_settings(kind: type[S]) -> S:
    """The settings of this process; on a missing or malformed one, one line that names it, and exit code 2."""
    try:
        return kind(_secrets_dir=_folder())
    except ValidationError as error:
        _refuse(error)


def _folder() -> str | None:
    folder = os.environ.get(FOLDER)
    if folder and not Path(folder).is_dir():
        sys.stderr.write(f"cannot start, setting {FOLDER}: there is no folder {folder}\n")
        raise SystemExit(2)
    return folder


def _refuse(error: ValidationError) -> NoReturn:
    said = [f"{'.'.join(str(p) for p in e['loc']).upper() or 'settings'}: {e['msg']}" for e in error.errors()]
    sys.stderr.write(f"cannot start, setting {'; '.join(said)}\n")
    raise SystemExit(2)
