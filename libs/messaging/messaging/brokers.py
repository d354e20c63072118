"""Where Kafka is, and how its brokers let a client in: in the clear or by TLS, with or without a login."""

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
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from messaging.errors import KafkaUnavailableError

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_LOGINS: dict[Mechanism, type[SASLPlaintext | SASLScram256 | SASLScram512]] = {
    "PLAIN": SASLPlaintext,
    "SCRAM-SHA-256": SASLScram256,
    "SCRAM-SHA-512": SASLScram512,
}
_ANSWERS_WITHIN_SECONDS = 3.0
_BROKEN_OFF = "it breaks off: if it does so again, look at KAFKA_SECURITY_PROTOCOL and KAFKA_CERT_FILE"
_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLCertVerificationError, "its certificate is not trusted: look at KAFKA_CA_FILE, and at the name in it"),
    (ssl.SSLError, "TLS fails: look at KAFKA_SECURITY_PROTOCOL, KAFKA_CERT_FILE and KAFKA_KEY_FILE"),
    (SaslAuthenticationFailed, "the login is refused: look at KAFKA_USERNAME, KAFKA_PASSWORD, KAFKA_SASL_MECHANISM"),
    (UnsupportedSaslMechanismError, "the login is not taken: look at KAFKA_SASL_MECHANISM"),
    (IllegalSaslStateError, "no login is taken there: look at KAFKA_SECURITY_PROTOCOL"),
    (KafkaConnectionError, _BROKEN_OFF),
    (ConnectionResetError, _BROKEN_OFF),
)


@dataclass(frozen=True)
class Login:
    """Who this client is, by SASL."""

    username: str
    password: str = field(repr=False)
    mechanism: Mechanism = "SCRAM-SHA-512"


@dataclass(frozen=True)
class Brokers:
    """Kafka's addresses, `host:port` each, separated by commas. Without `tls` in the clear, without `login` nobody."""

    servers: str
    tls: ssl.SSLContext | None = None
    login: Login | None = None

    @property
    def addresses(self) -> list[str]:
        """Each address by itself."""
        return [address.strip() for address in self.servers.split(",") if address.strip()]

    @property
    def security(self) -> BaseSecurity:
        """What FastStream takes as `security`, beside the addresses."""
        if self.login is None:
            return BaseSecurity(self.tls)
        return _LOGINS[self.login.mechanism](self.login.username, self.login.password, self.tls)

    @property
    def client_options(self) -> dict[str, Any]:
        """The keyword arguments of aiokafka's clients that say where Kafka is, and how they are let in."""
        return {"bootstrap_servers": self.addresses, **parse_security(self.security)}

    async def check_health(self) -> str | None:
        """None when one of the brokers lets this client in and answers it, else what is wrong, and what to look at."""
        troubles = await asyncio.gather(*(self._trouble_at(address) for address in self.addresses))
        if None in troubles:
            return None
        said = [f"{address}: {trouble}" for address, trouble in zip(self.addresses, troubles, strict=True)]
        return "; ".join(said) or "no broker is named"

    async def explain(self, error: KafkaError) -> KafkaUnavailableError:
        """What a client's failure to connect means. aiokafka keeps the reason to itself, so the brokers are asked."""
        return KafkaUnavailableError(await self.check_health() or repr(error))

    async def _trouble_at(self, address: str) -> str | None:
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_SECONDS):
                host, port, _ = get_ip_port_afi(address)
                connection = await create_conn(host, port, **parse_security(self.security))
                try:
                    await connection.send(MetadataRequest([]))
                finally:
                    connection.close()
        except TimeoutError:
            return "no answer"
        except (OSError, ValueError, KafkaError) as error:
            return _in_words(error)
        return None


def _in_words(error: Exception) -> str:
    advice = next((advice for kind, advice in _ADVICE if isinstance(error, kind)), None)
    said = str(error) or type(error).__name__
    return f"{advice} ({said})" if advice else said
