"""Kafka, Postgres and the object store as child processes: they carry a message, a row and an object, and they end."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aioboto3
import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from botocore.config import Config

from merchant_sync import dev_secrets, environment, processes, runtime
from merchant_sync.environment import Environment
from merchant_sync.stack import Stack

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PARTS = ("kafka", "postgres", "spaces")
LARGE = b"x" * (16 * 1024 * 1024)


def settings_in(data_dir: Path) -> dict[str, str]:
    """The spaces-writer's settings of the stack on that folder."""
    secrets = dev_secrets.load_or_generate_secrets(data_dir / "secrets.json")
    ports = json.loads((data_dir / "ports.json").read_text())
    return Environment({}, secrets, lambda name: ports.get(name, 0)).build_service_settings(
        "spaces-writer", "spaces-writer"
    )


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """Not in pytest's own folder: each run of pytest closes that to others, and so to root's database user."""
    with tempfile.TemporaryDirectory(prefix="merchant-sync-") as folder:
        yield Path(folder) / "data"


def run(data_dir: Path) -> subprocess.Popen[bytes]:
    """`merchant-sync up` with the three parts, once it prints that they run."""
    only = [word for part in PARTS for word in ("--only", part)]
    env = environment.filter_inherited(os.environ) | {
        "JGO_CACHE_DIR": os.environ.get("JGO_CACHE_DIR", str(ROOT / "data/cache"))
    }
    command = [sys.executable, "-m", "merchant_sync.app", "up", "--data", str(data_dir), *only]
    process = subprocess.Popen(command, env=env, cwd=data_dir.parent, start_new_session=True)
    deadline = time.monotonic() + 180
    while runtime.find_running(data_dir) is None:
        assert process.poll() is None, "the runner ended"
        assert time.monotonic() < deadline, "the runner did not come up"
        time.sleep(0.1)
    return process


@pytest.fixture
def runner(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = run(data_dir)
    yield process
    process.terminate()
    process.wait(30)


def family(data_dir: Path) -> dict[int, int]:
    """Every process below the runner, with its start."""
    found = runtime.find_running(data_dir)
    assert found is not None
    pids = processes.list_descendants(found.pid)
    assert len(pids) > len(PARTS)
    return {pid: start for pid in pids if (start := processes.get_start_time(pid)) is not None}


def gone(pids: dict[int, int], within: float) -> bool:
    deadline = time.monotonic() + within
    while any(processes.is_same_process(pid, start) for pid, start in pids.items()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


async def send_message(settings: dict[str, str]) -> None:
    servers = settings["KAFKA_BOOTSTRAP_SERVERS"]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    topic = NewTopic("roundtrip", 3, 1, topic_configs={"max.message.bytes": str(17 * 1024 * 1024)})
    await admin.create_topics([topic])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", max_request_size=17 * 1024 * 1024) as producer:
        await producer.send_and_wait("roundtrip", LARGE, key=b"shop")


async def first_message(settings: dict[str, str]) -> bytes | None:
    consumer = AIOKafkaConsumer(
        "roundtrip",
        bootstrap_servers=settings["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=None,
        auto_offset_reset="earliest",
    )
    async with consumer:
        message = await consumer.getone()
    return message.value


def store(settings: dict[str, str]):  # type: ignore[no-untyped-def]  # aioboto3 has no name for it
    config = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
    return aioboto3.Session().client(
        "s3",
        endpoint_url=settings["SPACES_ENDPOINT_URL"],
        region_name=settings["SPACES_REGION"],
        aws_access_key_id=settings["SPACES_ACCESS_KEY"],
        aws_secret_access_key=settings["SPACES_SECRET_KEY"],
        config=config,
    )


async def test_a_message_a_row_and_an_object_go_in(data_dir: Path, runner: subprocess.Popen[bytes]) -> None:
    settings = settings_in(data_dir)

    await send_message(settings)
    database = await asyncpg.connect(settings["DATABASE_URL"])
    await database.execute("CREATE TABLE roundtrip (words text); INSERT INTO roundtrip VALUES ('kept')")
    assert await database.fetchval("SELECT schemaname FROM pg_tables WHERE tablename = 'roundtrip'") == "spaces_writer"
    async with store(settings) as objects:
        where = {"Bucket": settings["SPACES_BUCKET"], "Key": "acme.myshopify.com/shopify_data.json"}
        await objects.put_object(**where, Body=b"{}", Metadata={"sha256": "abc"})
        head = await objects.head_object(**where)
        assert {name.lower(): value for name, value in head["Metadata"].items()} == {"sha256": "abc"}

    # Killed with a connection open and no goodbye: the kernel ends the children, Postgres' own workers follow.
    pids = family(data_dir)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert gone(pids, within=10)
    assert runtime.find_running(data_dir) is None


async def test_all_of_it_is_there_after_the_kill(data_dir: Path, runner: subprocess.Popen[bytes]) -> None:
    settings = settings_in(data_dir)

    assert await first_message(settings) == LARGE
    database = await asyncpg.connect(settings["DATABASE_URL"])
    assert await database.fetchval("SELECT words FROM roundtrip") == "kept"
    await database.close()
    async with store(settings) as objects:
        stored = await objects.get_object(Bucket=settings["SPACES_BUCKET"], Key="acme.myshopify.com/shopify_data.json")
        assert await stored["Body"].read() == b"{}"

    pids = family(data_dir)
    runner.terminate()
    assert runner.wait(30) == 0
    assert gone(pids, within=0)
    assert not (data_dir / runtime.FILE_NAME).exists()


async def test_roles_cannot_look_into_each_other(data_dir: Path) -> None:
    with Stack(data_dir, wanted=["postgres"]) as stack:
        writer = await asyncpg.connect(stack.build_settings("spaces-writer")["DATABASE_URL"])
        scheduler = await asyncpg.connect(stack.build_settings("scheduler")["DATABASE_URL"])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await scheduler.fetch("SELECT * FROM spaces_writer.roundtrip")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await scheduler.execute("CREATE TABLE public.anything (a int)")
        await scheduler.close()
        await writer.close()


async def test_an_object_removed_by_hand_is_gone_at_once(data_dir: Path) -> None:
    with Stack(data_dir, wanted=["spaces"]) as stack:
        settings = stack.build_settings("spaces-writer")
        async with store(settings) as objects:
            bucket = settings["SPACES_BUCKET"]
            await objects.put_object(Bucket=bucket, Key="a/b.json", Body=b"1")
            (data_dir / "spaces" / bucket / "a" / "b.json").unlink()
            with pytest.raises(objects.exceptions.ClientError, match="404"):
                await objects.head_object(Bucket=bucket, Key="a/b.json")


def test_a_part_is_killed_paused_and_started_again(data_dir: Path) -> None:
    with Stack(data_dir, wanted=["postgres", "spaces"]) as stack:
        before = stack.get_pid("postgres")
        stack.kill("postgres")
        assert not stack.is_running("postgres")
        stack.start_part("postgres")
        assert stack.get_pid("postgres") not in (None, before)

        stack.pause("postgres")
        stack.resume("postgres")
        stack.wait_healthy("postgres", timeout=10)

        stack.restart("spaces")
        assert stack.is_running("spaces")
        assert stack.get_log_path("postgres").stat().st_size


async def test_a_part_is_started_with_the_settings_that_the_stack_has_then(data_dir: Path) -> None:
    with Stack(data_dir, wanted=["spaces"]) as stack:
        stack.given.update(SPACES_ACCESS_KEY="new-key", SPACES_SECRET_KEY="new-secret")
        settings = stack.environment.build_unfiltered_settings()
        async with store(settings) as objects:
            with pytest.raises(objects.exceptions.ClientError):
                await objects.head_bucket(Bucket=settings["SPACES_BUCKET"])
            stack.restart("spaces")
            await objects.head_bucket(Bucket=settings["SPACES_BUCKET"])


def test_a_part_that_dies_by_itself_is_started_again(data_dir: Path) -> None:
    lines: list[str] = []
    with Stack(data_dir, wanted=["spaces"], on_line=lambda _name, line: lines.append(line)) as stack:
        before = stack.get_pid("spaces")
        assert before is not None
        os.kill(before, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while stack.get_pid("spaces") in (None, before):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        stack.wait_healthy("spaces")
    assert "killed by SIGKILL; restarting it in 0.5 s" in lines
