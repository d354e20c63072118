"""A real Kafka with listeners that require TLS, a login or a certificate."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from certificates import Authority
from merchant_sync import kafka
from merchant_sync.child_process import Child
from merchant_sync.health import HOST
from merchant_sync.parts import Part
from merchant_sync.ports import Ports

USER = "merchant-sync"
_SECURED = ("login", "secured", "mutual")
_JAAS = "org.apache.kafka.common.security"
_LISTENERS = """
listeners=BROKER://{host}:{clear},CONTROLLER://{host}:{controller},LOGIN://{host}:{login},\
SECURED://{host}:{secured},MUTUAL://{host}:{mutual}
advertised.listeners=BROKER://{host}:{clear},LOGIN://{host}:{login},SECURED://{host}:{secured},MUTUAL://{host}:{mutual}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT,SECURED:SASL_SSL,MUTUAL:SSL
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.mutual.ssl.client.auth=required
"""
_MECHANISMS = """
listener.name.{listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.{listener}.plain.sasl.jaas.config={jaas}.plain.PlainLoginModule required user_{user}="{password}";
listener.name.{listener}.scram-sha-256.sasl.jaas.config={jaas}.scram.ScramLoginModule required;
listener.name.{listener}.scram-sha-512.sasl.jaas.config={jaas}.scram.ScramLoginModule required;
"""


@dataclass(frozen=True)
class SecuredKafka:
    """The addresses of the listeners, the authority of all certificates, and the password of the only user."""

    login: str
    secured: str
    mutual: str
    authority: Authority
    password: str


@contextmanager
def run_secured_kafka(folder: Path, jars: Path) -> Iterator[SecuredKafka]:
    """Run it in `folder` with the jars of `jars`."""
    ports = {name: Ports(folder / "ports.json").get_or_choose_port(name) for name in ("clear", "controller", *_SECURED)}
    authority, password = Authority(folder, "brokers"), uuid4().hex
    plain = kafka.build_part(folder / "kafka", jars, ports["clear"], ports["controller"], print)
    part = replace(plain, prepare=lambda: _prepare(plain, ports, authority, password), settle=lambda: None)
    with ThreadPoolExecutor(1) as spawner:
        child = Child(part, folder / "kafka.log", os.environ, spawner, lambda _name, _line: None)
        child.start()
        try:
            yield SecuredKafka(*(f"{HOST}:{ports[name]}" for name in _SECURED), authority, password)
        finally:
            child.kill()


def _prepare(plain: Part, ports: dict[str, int], authority: Authority, password: str) -> None:
    *java, _main, config = plain.command
    formatted = Path(config).with_name("kafka") / "meta.properties"
    formatted.parent.mkdir()
    formatted.touch()  # It is formatted below, because brokers store the users' passwords for SCRAM.
    plain.prepare()
    formatted.unlink()
    stores = {"keystore": authority.sign("broker").both, "truststore": authority.ca}
    with Path(config).open("a") as file:
        file.write(_LISTENERS.format(host=HOST, **ports, **stores))
        for listener in ("login", "secured"):
            file.write(_MECHANISMS.format(listener=listener, jaas=_JAAS, user=USER, password=password))
    users = [f"--add-scram={kind}=[name={USER},password={password}]" for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
    command = [*java, "kafka.tools.StorageTool", "format", "--cluster-id=AAAAAAAAAAAAAAAAAAAAAQ", "-c", config, *users]
    subprocess.run(command, check=True, capture_output=True)
