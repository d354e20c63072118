"""Settings from the environment, `.env` and a folder. A missing or malformed setting ends the process with one line."""

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
    """The base of every service's settings.

    Fields are environment variables in any case. Unknown variables are ignored, and empty ones count as missing.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )
    otel_exporter_otlp_endpoint: str = ""
    """The base address of the OTLP/HTTP receiver of traces. Empty: no traces are exported."""


class KafkaSettings(Settings):
    """The settings of every service that uses Kafka: its addresses, TLS and login."""

    kafka_bootstrap_servers: str
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca_file: str = ""
    kafka_cert_file: str = ""
    kafka_key_file: str = ""

    @model_validator(mode="after")
    def _validate_kafka(self) -> Self:
        """Raise `ValueError` when settings of Kafka are missing or contradict each other, or a file cannot be read."""
        protocol = self.kafka_security_protocol
        login = {"KAFKA_USERNAME": self.kafka_username, "KAFKA_PASSWORD": self.kafka_password.get_secret_value()}
        certificate = {"KAFKA_CERT_FILE": self.kafka_cert_file, "KAFKA_KEY_FILE": self.kafka_key_file}
        _require_all_or_none(certificate)
        if protocol.startswith("SASL_"):
            _require_all(login, f"KAFKA_SECURITY_PROTOCOL is {protocol}")
        else:
            _require_none(login, f"KAFKA_SECURITY_PROTOCOL is {protocol}, which has no login: SASL_SSL has one")
        if not protocol.endswith("SSL"):
            files = {"KAFKA_CA_FILE": self.kafka_ca_file, **certificate}
            _require_none(files, f"KAFKA_SECURITY_PROTOCOL is {protocol}, which has no TLS: SSL and SASL_SSL have")
        self._create_tls_context()
        return self

    def build_brokers(self) -> Brokers:
        """Return the brokers that these settings describe. Certificate files are read again."""
        login = None
        if self.kafka_security_protocol.startswith("SASL_"):
            login = Login(self.kafka_username, self.kafka_password.get_secret_value(), self.kafka_sasl_mechanism)
        return Brokers(self.kafka_bootstrap_servers, self._create_tls_context(), login)

    def _create_tls_context(self) -> SSLContext | None:
        if not self.kafka_security_protocol.endswith("SSL"):
            return None
        with _name_setting("KAFKA_CA_FILE"):
            context = create_context(self.kafka_ca_file)
        if self.kafka_cert_file:
            with _name_setting("KAFKA_CERT_FILE, KAFKA_KEY_FILE"):
                load_certificate(context, self.kafka_cert_file, self.kafka_key_file)
        return context


def _require_all(settings: dict[str, str], why: str) -> None:
    if missing := [name for name, value in settings.items() if not value]:
        raise ValueError(f"{', '.join(missing)}: required, because {why}")


def _require_none(settings: dict[str, str], why: str) -> None:
    if present := [name for name, value in settings.items() if value]:
        raise ValueError(f"{', '.join(present)}: must be left out, because {why}")


def _require_all_or_none(settings: dict[str, str]) -> None:
    if present := [name for name, value in settings.items() if value]:
        _require_all(settings, f"{', '.join(present)} is given")


@contextmanager
def _name_setting(setting: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None


S = TypeVar("S", bound=BaseSettings)


FOLDER_VARIABLE = "SETTINGS_DIR"
"""Names a folder with a file for each setting, as secrets are mounted. The environment has precedence."""


def load_settings(kind: type[S]) -> S:
    """Load the settings of this process. If one is missing or malformed, print a line that names it and exit with 2."""
    try:
        return kind(_secrets_dir=_find_folder())
    except ValidationError as error:
        _exit(error)


def _find_folder() -> str | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder and not Path(folder).is_dir():
        sys.stderr.write(f"cannot start, setting {FOLDER_VARIABLE}: there is no folder {folder}\n")
        raise SystemExit(2)
    return folder


def _exit(error: ValidationError) -> NoReturn:
    messages = [f"{'.'.join(str(p) for p in e['loc']).upper() or 'settings'}: {e['msg']}" for e in error.errors()]
    sys.stderr.write(f"cannot start, setting {'; '.join(messages)}\n")
    raise SystemExit(2)
