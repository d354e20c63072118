"""Kafka, PostgreSQL and an S3 server in containers, for `pytest --containers`: the settings that name them."""

import io
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import boto3
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

KAFKA, POSTGRES, RCLONE = "apache/kafka:4.3.1", "postgres:18", "rclone/rclone:1.75.2"
ACCESS, SECRET, BUCKET = "containers-access-key", "containers-secret-key", "merchant-sync"
BROKER = {
    "NODE_ID": "1",
    "PROCESS_ROLES": "broker,controller",
    "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "AUTO_CREATE_TOPICS_ENABLE": "false",
    "REPLICA_FETCH_MAX_BYTES": str(17 * 1024 * 1024),
}
"""One node, broker and controller; the image reads each as `KAFKA_…`."""
WAIT_FOR_LISTENERS = "until [ -f /tmp/listeners ]; do sleep 0.1; done; . /tmp/listeners; exec /etc/kafka/docker/run"


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Start the three; gives the settings by which services find them."""
    with ExitStack() as stack:
        kafka = stack.enter_context(_kafka())
        postgres = stack.enter_context(PostgresContainer(POSTGRES, driver=None))
        store = stack.enter_context(_store())
        endpoint = f"http://{store.get_container_host_ip()}:{store.get_exposed_port(9000)}"
        keys = {"aws_access_key_id": ACCESS, "aws_secret_access_key": SECRET, "region_name": "nyc3"}
        boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=BUCKET)
        yield {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": postgres.get_connection_url(),
            "SPACES_ENDPOINT_URL": endpoint,
            "SPACES_ACCESS_KEY": ACCESS,
            "SPACES_SECRET_KEY": SECRET,
            "SPACES_BUCKET": BUCKET,
        }


@contextmanager
def _kafka() -> Iterator[str]:
    """A broker that advertises the port under which the host reaches it, known only once the container runs."""
    container = DockerContainer(KAFKA).with_exposed_ports(9092).with_command(["sh", "-c", WAIT_FOR_LISTENERS])
    for name, value in BROKER.items():
        container.with_env(f"KAFKA_{name}", value)
    with container:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(9092)}"
        _put(container, "listeners", f"export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://{address}\n")
        _wait_for(container, "Kafka Server started")
        yield address


def _store() -> DockerContainer:
    command = f"serve s3 --addr :9000 --auth-key {ACCESS},{SECRET} --vfs-cache-mode off --dir-cache-time 1ms /data"
    container = DockerContainer(RCLONE).with_exposed_ports(9000).with_command(command)
    return container.waiting_for(LogMessageWaitStrategy("Starting s3 server"))


def _put(container: DockerContainer, name: str, text: str) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(text), 0o644
        archive.addfile(entry, io.BytesIO(text.encode()))
    container.get_wrapped_container().put_archive("/tmp", packed.getvalue())


def _wait_for(container: DockerContainer, line: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while line.encode() not in b"".join(container.get_logs()):
        assert time.monotonic() < deadline, f"{line!r} was not logged within {seconds} s"
        time.sleep(0.2)
