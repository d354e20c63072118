"""Settings from the environment, `.env` and a folder; a missing or malformed one stops the service with one line."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Literal, NoReturn, Self, TypeVar

from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from messaging.brokers import Brokers, Login, Mechanism
from messaging.tls import create_context, load_certificate


class Settings(BaseSettings):
    """What every service's settings share: names are the environment's, in any case; unknown ones are ignored,
    and an empty value is as good as none."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )
    otel_exporter_otlp_endpoint: str = ""
    """Base address of the OTLP/HTTP receiver of traces; none: there are no traces."""


class KafkaSettings(Settings):
    """What the settings of every service that talks to Kafka share: where it is, and how it lets us in."""

    kafka_bootstrap_servers: str
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca_file: str = ""
    kafka_cert_file: str = ""
    kafka_key_file: str = ""

    @model_validator(mode="after")
    def _kafka_whole(self) -> Self:
        """A login or a certificate is given whole, where the protocol has one, and files are what they are to be."""
        protocol = self.kafka_security_protocol
        login = {"KAFKA_USERNAME": self.kafka_username, "KAFKA_PASSWORD": self.kafka_password.get_secret_value()}
        shown = {"KAFKA_CERT_FILE": self.kafka_cert_file, "KAFKA_KEY_FILE": self.kafka_key_file}
        _all_or_none(shown)
        if protocol.startswith("SASL_"):
            _all_given(login, f"KAFKA_SECURITY_PROTOCOL is {protocol}")
        else:
            _none_given(login, f"KAFKA_SECURITY_PROTOCOL is {protocol}, which has no login: SASL_SSL has one")
        if not protocol.endswith("SSL"):
            files = {"KAFKA_CA_FILE": self.kafka_ca_file, **shown}
            _none_given(files, f"KAFKA_SECURITY_PROTOCOL is {protocol}, which has no TLS: SSL and SASL_SSL have")
        self._tls()
        return self

    def build_brokers(self) -> Brokers:
        """Kafka as these settings have it; files are read anew."""
        login = None
        if self.kafka_security_protocol.startswith("SASL_"):
            login = Login(self.kafka_username, self.kafka_password.get_secret_value(), self.kafka_sasl_mechanism)
        return Brokers(self.kafka_bootstrap_servers, self._tls(), login)

    def _tls(self) -> SSLContext | None:
        if not self.kafka_security_protocol.endswith("SSL"):
            return None
        with _named("KAFKA_CA_FILE"):
            context = create_context(self.kafka_ca_file)
        if self.kafka_cert_file:
            with _named("KAFKA_CERT_FILE, KAFKA_KEY_FILE"):
                load_certificate(context, self.kafka_cert_file, self.kafka_key_file)
        return context


def _all_given(settings: dict[str, str], why: str) -> None:
    if missing := [name for name, value in settings.items() if not value]:
        raise ValueError(f"{', '.join(missing)}: required, because {why}")


def _none_given(settings: dict[str, str], why: str) -> None:
    if given := [name for name, value in settings.items() if value]:
        raise ValueError(f"{', '.join(given)}: must be left out, because {why}")


def _all_or_none(settings: dict[str, str]) -> None:
    if given := [name for name, value in settings.items() if value]:
        _all_given(settings, f"{', '.join(given)} is given")


@contextmanager
def _named(setting: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None


S = TypeVar("S", bound=BaseSettings)


FOLDER = "SETTINGS_DIR"
"""The setting that names a folder with a file for each setting, as secrets are mounted; the environment wins."""


def load_settings(kind: type[S]) -> S:
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
