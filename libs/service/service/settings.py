"""Reads settings from the environment, `.env` and the folders in SETTINGS_DIR.

A missing, malformed or misspelt setting ends the process with one line on standard error that names the setting. With
MERCHANT_SYNC_ENV=production, so does one that is not for production, such as the sandbox's address or a weak secret.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Literal, NoReturn, Self, TypeVar

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from messaging.brokers import Brokers, Login, Mechanism
from messaging.tls import create_context, load_certificate
from service.known_settings import list_setting_errors
from service.production import Check


class Settings(BaseSettings):
    """The base of every service's settings.

    Each field is read from the environment variable of its name, in upper or lower case. Unknown variables are ignored,
    and empty ones count as missing.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )
    otel_exporter_otlp_endpoint: str = ""
    """The base URL of the OTLP/HTTP endpoint that receives traces. When empty, no traces are exported."""


class KafkaSettings(Settings):
    """The settings of a service that uses Kafka: the brokers' addresses, TLS and the login."""

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
        """Raise `ValueError` when Kafka settings are missing or contradict each other, or a file cannot be read."""
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
        """Return the addresses, TLS context and login of Kafka's brokers from these settings.

        The certificate files are read again.
        """
        login = None
        if self.kafka_security_protocol.startswith("SASL_"):
            login = Login(self.kafka_username, self.kafka_password.get_secret_value(), self.kafka_sasl_mechanism)
        return Brokers(self.kafka_bootstrap_servers, self._create_tls_context(), login)

    def _create_tls_context(self) -> SSLContext | None:
        if not self.kafka_security_protocol.endswith("SSL"):
            return None
        with _prefix_errors("KAFKA_CA_FILE"):
            context = create_context(self.kafka_ca_file)
        if self.kafka_cert_file:
            with _prefix_errors("KAFKA_CERT_FILE, KAFKA_KEY_FILE"):
                load_certificate(context, self.kafka_cert_file, self.kafka_key_file)
        return context


class InternalApiSettings(KafkaSettings):
    """The settings of a service that has an internal HTTP API or calls one: the files for TLS.

    Without them, the API is served without encryption, and the authorities of the system are trusted.
    """

    internal_tls_cert_file: str = ""
    internal_tls_key_file: str = ""
    internal_tls_ca_file: str = ""

    @model_validator(mode="after")
    def _validate_internal_tls(self) -> Self:
        """Raise `ValueError` when only one of certificate and key is given, or when a file cannot be read."""
        certificate = {
            "INTERNAL_TLS_CERT_FILE": self.internal_tls_cert_file,
            "INTERNAL_TLS_KEY_FILE": self.internal_tls_key_file,
        }
        _require_all_or_none(certificate)
        context = self.create_internal_tls_context()
        if self.internal_tls_cert_file:
            with _prefix_errors(", ".join(certificate)):
                load_certificate(context, self.internal_tls_cert_file, self.internal_tls_key_file)
        return self

    @property
    def internal_certificate(self) -> tuple[str, str] | None:
        """The files of the certificate and of the key with which the internal API is served; None without TLS."""
        if not self.internal_tls_cert_file:
            return None
        return self.internal_tls_cert_file, self.internal_tls_key_file

    def create_internal_tls_context(self) -> SSLContext:
        """Return the TLS context with which internal APIs at `https://` are called."""
        with _prefix_errors("INTERNAL_TLS_CA_FILE"):
            return create_context(self.internal_tls_ca_file)


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
def _prefix_errors(setting: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None


S = TypeVar("S", bound=BaseSettings)


SETTINGS_DIR_VARIABLE = "SETTINGS_DIR"
"""The environment variable with the paths of folders, separated by `:`, that have one file per setting, such as mounted
secrets. A later folder overrides an earlier one, and environment variables override all files."""


def load_settings(settings_class: type[S], known: Mapping[str, Check]) -> S:
    """Return the settings of this process as an instance of `settings_class`.

    `known` are all settings of the installation, each with the check of its value in production. If a setting is
    missing, malformed, misspelt or not for production, print a line that names it on standard error and exit with 2.
    """
    folders = list_settings_folders()
    if missing := [folder for folder in folders if not Path(folder).is_dir()]:
        _exit_with_errors([f"{SETTINGS_DIR_VARIABLE}: there is no folder {', '.join(missing)}"])
    try:
        given, declared = _read_given_settings(folders)
    except UnreadableSettingError as error:
        _exit_with_errors([str(error)])
    if errors := list(list_setting_errors(given, known, declared)):
        _exit_with_errors(errors)
    try:
        return settings_class(_secrets_dir=folders or None)
    except ValidationError as error:
        _exit_with_errors(_describe_errors(error))


def list_settings_folders() -> list[str]:
    """Return the folders of settings that the environment names, those that override others last."""
    return [folder for folder in os.environ.get(SETTINGS_DIR_VARIABLE, "").split(os.pathsep) if folder]


class UnreadableSettingError(Exception):
    """Raised when the file of a setting cannot be read. The message begins with the name of the setting."""

    def __init__(self, error: OSError) -> None:
        path = Path(str(error.filename))
        super().__init__(f"{path.name}: user {os.geteuid()} cannot read {path}: {error.strerror}")


def read_settings_folders(folders: Iterable[str]) -> dict[str, str]:
    """Return the settings in these folders by name, in upper case. A later folder overrides an earlier one.

    Raises `UnreadableSettingError` when this process may not read one of the files.
    """
    try:
        files = [path for folder in folders for path in Path(folder).iterdir() if path.is_file()]
        return {path.name.upper(): path.read_text(errors="replace").strip() for path in files}
    except OSError as error:
        raise UnreadableSettingError(error) from None


def _read_given_settings(folders: Iterable[str]) -> tuple[dict[str, str], frozenset[str]]:
    """Return all given settings by name, in upper case, and the names of those in `.env` and in the folders.

    The environment overrides `.env`, and `.env` the folders. An empty value counts as not given.
    """
    in_file = {name.upper(): value for name, value in dotenv_values(".env").items()}
    declared = {name: value for name, value in {**read_settings_folders(folders), **in_file}.items() if value}
    environment = {name.upper(): value for name, value in os.environ.items() if value}
    return {**declared, **environment}, frozenset(declared)


def _describe_errors(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        yield f"{'.'.join(str(part) for part in problem['loc']).upper() or 'settings'}: {problem['msg']}"


def _exit_with_errors(errors: Iterable[str]) -> NoReturn:
    sys.stderr.write(f"cannot start, setting {'; '.join(errors)}\n")
    raise SystemExit(2)
