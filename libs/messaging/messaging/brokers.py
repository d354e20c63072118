"""The settings with which clients connect to Kafka's brokers: host names and ports, TLS and SASL."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any, Literal

from aiokafka.conn import create_conn, get_ip_port_afi
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from messaging.errors import UnavailableError

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

HEALTH_CHECK_SECONDS = 3.0
_CONNECTION_CLOSED = "the broker closes the connection: check KAFKA_SECURITY_PROTOCOL and KAFKA_CERT_FILE"
_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLCertVerificationError, "the certificate is not trusted: check KAFKA_CA_FILE and the name in it"),
    (ssl.SSLError, "TLS fails: check KAFKA_SECURITY_PROTOCOL, KAFKA_CERT_FILE and KAFKA_KEY_FILE"),
    (SaslAuthenticationFailed, "login refused: check KAFKA_USERNAME, KAFKA_PASSWORD and KAFKA_SASL_MECHANISM"),
    (UnsupportedSaslMechanismError, "the broker does not support the login: check KAFKA_SASL_MECHANISM"),
    (IllegalSaslStateError, "the broker expects no login: check KAFKA_SECURITY_PROTOCOL"),
    (KafkaConnectionError, _CONNECTION_CLOSED),
    (ConnectionResetError, _CONNECTION_CLOSED),
)


@dataclass(frozen=True)
class Login:
    """The user name and password of a SASL login, and the SASL mechanism."""

    username: str
    password: str = field(repr=False)
    mechanism: Mechanism = "SCRAM-SHA-512"


@dataclass(frozen=True)
class Brokers:
    """The Kafka brokers to connect to. `servers` holds one or more `host:port`, separated by commas.

    If `tls` is None, traffic is not encrypted. If `login` is None, clients do not log in with SASL.
    """

    servers: str
    tls: ssl.SSLContext | None = None
    login: Login | None = None

    @property
    def addresses(self) -> list[str]:
        """The `host:port` of each broker in `servers`."""
        return [address.strip() for address in self.servers.split(",") if address.strip()]

    @property
    def client_options(self) -> dict[str, Any]:
        """The keyword arguments with which every aiokafka client connects to these brokers."""
        return {"bootstrap_servers": self.addresses, **self._security_options}

    @property
    def _security_options(self) -> dict[str, Any]:
        transport = "PLAINTEXT" if self.tls is None else "SSL"
        if self.login is None:
            return {"security_protocol": transport, "ssl_context": self.tls}
        return {
            "security_protocol": f"SASL_{transport}",
            "ssl_context": self.tls,
            "sasl_mechanism": self.login.mechanism,
            "sasl_plain_username": self.login.username,
            "sasl_plain_password": self.login.password,
        }

    async def check_health(self) -> str | None:
        """Connect to every broker. Return None if at least one broker answers.

        Otherwise return a text that says for each broker what is wrong and which setting to check.
        """
        errors = await asyncio.gather(*(self._check_broker(address) for address in self.addresses))
        if None in errors:
            return None
        reasons = [f"{address}: {error}" for address, error in zip(self.addresses, errors, strict=True)]
        return "; ".join(reasons) or "no broker is named"

    async def explain_error(self, error: KafkaError) -> UnavailableError:
        """Return the `UnavailableError` to raise after `error` kept a client from connecting to Kafka.

        Its text says what `check_health` finds wrong; if that finds nothing, it shows `error`.
        """
        # aiokafka does not pass the reason on to the client, so a health check asks the brokers for it.
        return UnavailableError(f"Kafka: {await self.check_health() or repr(error)}")

    async def _check_broker(self, address: str) -> str | None:
        try:
            async with asyncio.timeout(HEALTH_CHECK_SECONDS):
                host, port, _ = get_ip_port_afi(address)
                connection = await create_conn(host, port, **self._security_options)
                try:
                    await connection.send(MetadataRequest([]))
                finally:
                    connection.close()
        except TimeoutError:
            return "no answer"
        except (OSError, ValueError, KafkaError) as error:
            return _describe_error(error)
        return None


def _describe_error(error: Exception) -> str:
    advice = next((advice for kind, advice in _ADVICE if isinstance(error, kind)), None)
    message = str(error) or type(error).__name__
    return f"{advice} ({message})" if advice else message
