"""Run Kafka, PostgreSQL and an S3 server in containers, for `pytest --containers`."""

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
"""The settings of a Kafka node that is broker and controller. The image reads each from a variable `KAFKA_…`."""
WAIT_FOR_LISTENERS = "until [ -f /tmp/listeners ]; do sleep 0.1; done; . /tmp/listeners; exec /etc/kafka/docker/run"


@contextmanager
def run_containers() -> Iterator[dict[str, str]]:
    """Run the three containers; yield the settings with which services reach them."""
    with ExitStack() as stack:
        kafka = stack.enter_context(_run_kafka())
        postgres = stack.enter_context(PostgresContainer(POSTGRES, driver=None))
        store = stack.enter_context(_create_store())
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
def _run_kafka() -> Iterator[str]:
    """Run a broker that advertises the host's port; yield its address.

    The port is known only when the container runs. So the container first waits for a file with the port.
    """
    container = DockerContainer(KAFKA).with_exposed_ports(9092).with_command(["sh", "-c", WAIT_FOR_LISTENERS])
    for name, value in BROKER.items():
        container.with_env(f"KAFKA_{name}", value)
    with container:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(9092)}"
        _put_file(container, "listeners", f"export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://{address}\n")
        _wait_for_log(container, "Kafka Server started")
        yield address


def _create_store() -> DockerContainer:
    command = f"serve s3 --addr :9000 --auth-key {ACCESS},{SECRET} --vfs-cache-mode off --dir-cache-time 1ms /data"
    container = DockerContainer(RCLONE).with_exposed_ports(9000).with_command(command)
    return container.waiting_for(LogMessageWaitStrategy("Starting s3 server"))


def _put_file(container: DockerContainer, name: str, text: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(text), 0o644
        archive.addfile(entry, io.BytesIO(text.encode()))
    container.get_wrapped_container().put_archive("/tmp", buffer.getvalue())


def _wait_for_log(container: DockerContainer, line: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while line.encode() not in b"".join(container.get_logs()):
        assert time.monotonic() < deadline, f"{line!r} was not logged within {seconds} s"
        time.sleep(0.2)
