"""A real Kafka with a login and ACLs, as the compose file runs it, set up by `deploy/kafka/setup.sh`."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.permissions import AUTOSCALER, list_users
from contracts.topics import CONNECTION_CHANGED, list_topics
from merchant_sync import kafka
from merchant_sync.child_process import Child
from merchant_sync.health import HOST
from merchant_sync.parts import Part
from merchant_sync.ports import Ports
from messaging.brokers import Brokers, Login
from messaging.provisioning import create_missing_topics
from platforms.registry import DESTINATIONS, PLATFORMS

SET_UP_USER, SET_UP_TOPIC = AUTOSCALER, CONNECTION_CHANGED
SETUP = Path(__file__).parents[2] / "deploy" / "kafka" / "setup.sh"
_TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-configs.sh": "kafka.admin.ConfigCommand",
}
_PROPERTIES = """
listeners=BROKER://{host}:{port},LOCAL://{host}:{local},CONTROLLER://{host}:{controller}
advertised.listeners=BROKER://{host}:{port},LOCAL://{host}:{local}
listener.security.protocol.map=BROKER:SASL_PLAINTEXT,LOCAL:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=LOCAL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.broker.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True)
class KafkaWithAcls:
    """The address for users with their passwords, and the one for administrators without a login."""

    address: str
    local: str
    passwords: dict[str, str]
    bin: Path
    folder: Path

    def get_settings(self, user: str) -> dict[str, str]:
        """Return the settings with which a service logs in as `user`."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_USERNAME": user,
            "KAFKA_PASSWORD": self.passwords[user],
        }

    def connect_as(self, user: str) -> Brokers:
        """Return the brokers for clients that log in as `user`."""
        return Brokers(self.address, login=Login(user, self.passwords[user]))

    def run_setup(self) -> str:
        """Run the set-up script, which sets the password of `SET_UP_USER`, and return what it wrote."""
        name = f"{SET_UP_USER.upper().replace('-', '_')}_KAFKA_PASSWORD"
        (self.folder / name).write_text(self.passwords[SET_UP_USER])
        environment = {**os.environ, "KAFKA_BIN": str(self.bin), "SETTINGS_DIR": str(self.folder)}
        command = ["bash", str(SETUP), self.local]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run_tool(self, name: str, *arguments: str) -> str:
        """Run one of Kafka's tools as an administrator, and return its output."""
        command = [str(self.bin / name), "--bootstrap-server", self.local, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextmanager
def run_kafka_with_acls(folder: Path, jars: Path) -> Iterator[KafkaWithAcls]:
    """Run it in `folder` with the jars of `jars`.

    Before `run_setup` it has no ACLs, not the user `SET_UP_USER`, and of the topics all but `SET_UP_TOPIC`: each start
    of one of Kafka's tools takes long, so only what tests the script is left to it.
    """
    ports = {name: Ports(folder / "ports.json").get_or_choose_port(name) for name in ("port", "local", "controller")}
    plain = kafka.build_part(folder / "kafka", jars, ports["port"], ports["controller"], print)
    passwords = {user: f"the password of {user}" for user in list_users(PLATFORMS, DESTINATIONS)}
    part = replace(plain, prepare=lambda: _prepare(plain, ports, passwords), settle=lambda: None)
    bin_folder, secrets = folder / "bin", folder / "passwords"
    bin_folder.mkdir()
    secrets.mkdir()
    _write_tools(bin_folder, plain, jars)
    with ThreadPoolExecutor(1) as spawner:
        child = Child(part, folder / "kafka.log", os.environ, spawner, lambda _name, _line: None)
        child.start()
        try:
            addresses = f"{HOST}:{ports['port']}", f"{HOST}:{ports['local']}"
            topics = tuple(topic for topic in list_topics(PLATFORMS, DESTINATIONS) if topic.name != SET_UP_TOPIC)
            with ThreadPoolExecutor(1) as thread:
                thread.submit(lambda: asyncio.run(create_missing_topics(Brokers(addresses[1]), topics))).result()
            yield KafkaWithAcls(*addresses, passwords, bin_folder, secrets)
        finally:
            child.kill()


def _prepare(plain: Part, ports: dict[str, int], passwords: dict[str, str]) -> None:
    *java, _main, config = plain.command
    formatted = Path(config).with_name("kafka") / "meta.properties"
    formatted.parent.mkdir()
    formatted.touch()  # It is formatted below, because brokers store the users' passwords for SCRAM.
    plain.prepare()
    formatted.unlink()
    with Path(config).open("a") as file:
        file.write(_PROPERTIES.format(host=HOST, **ports))
    users = (
        f"--add-scram=SCRAM-SHA-512=[name={user},password={password}]"
        for user, password in passwords.items()
        if user != SET_UP_USER
    )
    command = [*java, "kafka.tools.StorageTool", "format", "--cluster-id=AAAAAAAAAAAAAAAAAAAAAQ", "-c", config, *users]
    subprocess.run(command, check=True, capture_output=True)


def _write_tools(folder: Path, plain: Part, jars: Path) -> None:
    """Write scripts with the names of Kafka's tools, which its distribution has and the jars of a broker lack."""
    java, *options = plain.command[:-2]
    options[-1] = f"{options[-1]}:{_ensure_tools(jars / 'tools')}/*"
    quoted = " ".join(f"'{option}'" for option in options if not option.startswith("-Xm"))
    for name, main in _TOOLS.items():
        script = folder / name
        script.write_text(f"#!/bin/bash\nexec '{java}' -XX:TieredStopAtLevel=1 -Xmx128m {quoted} {main} \"$@\"\n")
        script.chmod(0o755)


def _ensure_tools(cache: Path) -> Path:
    """Return the folder with the jars of Kafka's tools. They are downloaded into `cache` once."""
    while not (found := next(cache.glob(f"envs/**/kafka-tools-{kafka.VERSION}.jar"), None)):
        environment = {"JGO_TIMEOUT": "60", **os.environ, "JGO_CACHE_DIR": str(cache)}
        coordinate = f"org.apache.kafka:kafka-tools:{kafka.VERSION}"
        command = [sys.executable, "-m", "jgo", "--resolver", "python", "info", "classpath", coordinate]
        subprocess.run(command, env=environment, capture_output=True, check=True)
    return found.parent
