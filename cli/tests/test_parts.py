"""Secrets, the runtime file, ports, screen lines: what of the stack needs no process."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from merchant_sync import child_process, dev_secrets, environment, logs, parts, postgres, processes, runtime
from merchant_sync.ports import Ports, is_free
from merchant_sync.stack import Stack, StackError


def dead_process() -> int:
    """The id of a process that has just ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = dev_secrets.load_or_generate_secrets(path)

    assert dev_secrets.load_or_generate_secrets(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(set(first.values())) == len(first)


def test_a_secret_that_a_newer_version_needs_joins_the_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"spaces_access_key": "kept"}))

    assert dev_secrets.load_or_generate_secrets(path)["spaces_access_key"] == "kept"
    assert "token_encryption_key" in json.loads(path.read_text())


def test_the_runtime_file_of_a_live_runner_is_found(tmp_path: Path) -> None:
    described = runtime.build_runtime("http://127.0.0.1:5000", {"SPACES_BUCKET": "b"}, {"self": os.getpid()})
    runtime.write(tmp_path, described)

    assert runtime.find_running(tmp_path) == described
    assert runtime.terminate_leftovers(tmp_path) == []


def test_the_runtime_file_of_a_dead_runner_is_stale(tmp_path: Path) -> None:
    runtime.write(tmp_path, runtime.Runtime(dead_process(), 1, "http://127.0.0.1:5000", {}))

    assert runtime.find_running(tmp_path) is None


def test_a_process_id_that_was_used_again_is_not_the_runner(tmp_path: Path) -> None:
    runtime.write(tmp_path, runtime.Runtime(os.getpid(), 1, "http://127.0.0.1:5000", {}))

    assert runtime.find_running(tmp_path) is None


def test_sweeping_ends_what_a_dead_runner_left_and_nothing_else(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as orphan, subprocess.Popen(["sleep", "60"]) as stranger:
        start = processes.get_start_time(orphan.pid)
        assert start is not None
        left = {"kafka": (orphan.pid, start), "postgres": (stranger.pid, 1)}
        runtime.write(tmp_path, runtime.Runtime(dead_process(), 1, "", {}, left))

        assert runtime.terminate_leftovers(tmp_path) == ["kafka"]
        assert orphan.wait() < 0
        assert stranger.poll() is None
        assert runtime.read(tmp_path) is None
        stranger.kill()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null"])
def test_a_broken_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / runtime.FILE_NAME).write_text(text)

    assert runtime.find_running(tmp_path) is None


def test_ports_are_remembered_while_they_are_free(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    port = Ports(path).get_or_choose_port("kafka")

    assert Ports(path).get_or_choose_port("kafka") == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert not is_free(port)
        assert Ports(path).get_or_choose_port("kafka") != port


def test_a_structured_line_is_rendered_short() -> None:
    at = datetime(2026, 11, 29, 12, 0, 5, tzinfo=UTC)
    line = json.dumps(
        {"timestamp": at.isoformat(), "level": "warning", "event": "page refused", "sync_id": "s1", "count": 3}
    )
    shown = logs.render("gateway", line)

    assert shown.plain == f"{at.astimezone():%H:%M:%S} gateway         │ page refused  sync_id=s1  count=3"
    assert any(span.style == "yellow" for span in shown.spans)


@pytest.mark.parametrize("line", ["plain words", "{not json", "[1, 2]", "{}{}", "[bold]no markup[/]"])
def test_any_other_line_is_shown_as_it_is(line: str) -> None:
    assert logs.render("kafka", line).plain.endswith(f"│ {line}")


def test_of_an_exception_the_last_line_is_shown() -> None:
    line = json.dumps({"event": "failed", "exception": "Traceback\n  File\nValueError: no"})

    assert logs.render("gateway-2", line).plain.endswith("failed  ValueError: no")


def test_restarts_come_later_and_later() -> None:
    assert [child_process.compute_backoff(failures) for failures in (1, 2, 5, 50)] == [0.5, 1.0, 10.0, 10.0]


def test_roles_see_nothing_of_each_other() -> None:
    sql = postgres.build_roles_and_schemas_sql({owner: f"{owner}-password" for owner in postgres.OWNERS})

    assert "REVOKE ALL ON DATABASE merchant_sync FROM PUBLIC" in sql
    assert sql.count("AUTHORIZATION") == len(postgres.OWNERS) + len(postgres.PUBLISHED_SCHEMAS)
    assert "GRANT CONNECT ON DATABASE merchant_sync TO gateway" in sql


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize(("part", "setting"), [(parts.GATEWAY, "GATEWAY_PORT"), (parts.DATA_API, "DATA_API_PORT")])
def test_an_occupied_public_port_is_one_line_that_says_what_to_do(
    tmp_path: Path, taken_port: int, part: str, setting: str
) -> None:
    stack = Stack(tmp_path, given={setting: str(taken_port)}, wanted=[part])

    with pytest.raises(StackError, match=rf"^Port {taken_port} is taken\. Choose another: {setting}=\d+ make up$"):
        stack.start()


def test_a_data_api_takes_a_free_port_beside_one_that_has_the_usual(
    tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "DEFAULT_DATA_API_PORT", taken_port)
    with Stack(tmp_path, wanted=[]) as stack:
        assert stack.environment.data_api_port not in (0, taken_port)


def test_a_part_whose_address_is_given_is_not_started(tmp_path: Path) -> None:
    given = {"KAFKA_BOOTSTRAP_SERVERS": "elsewhere:9092", "DATABASE_URL": "postgresql://elsewhere/db"}
    with Stack(tmp_path, given=given, wanted=[parts.KAFKA, parts.POSTGRES]) as stack:
        assert stack.names == []
        assert stack.build_settings("scheduler")["KAFKA_BOOTSTRAP_SERVERS"] == "elsewhere:9092"
    assert runtime.read(tmp_path) is None


def test_a_second_stack_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with Stack(tmp_path, wanted=[]), pytest.raises(StackError, match=r"runs on .* already"):
        Stack(tmp_path, wanted=[]).start()


def test_a_port_that_another_stack_has_chosen_is_not_chosen_although_nobody_listens_yet(tmp_path: Path) -> None:
    choose = "import sys; from pathlib import Path; from merchant_sync.ports import Ports\n"
    choose += "print(Ports(Path(sys.argv[1])).get_or_choose_port('kafka'), flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", choose, str(tmp_path / "other.json")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin is not None and other.stdout is not None
    port = int(other.stdout.readline())
    assert is_free(port)
    for name in ("first.json", "second.json"):
        (tmp_path / name).write_text(json.dumps({"kafka": port}))
    assert Ports(tmp_path / "first.json").get_or_choose_port("kafka") != port
    other.stdin.close()
    other.wait(10)
    assert Ports(tmp_path / "second.json").get_or_choose_port("kafka") == port
    (tmp_path / "third.json").write_text(json.dumps({"kafka": port}))
    assert Ports(tmp_path / "third.json").get_or_choose_port("kafka") != port, "another stack of this process has it"
    assert Ports(tmp_path / "second.json").get_or_choose_port("kafka") == port, "the same stack, started again"
