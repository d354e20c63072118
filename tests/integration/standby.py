"""A streaming replica of a stack's Postgres on loopback, which applies what it receives some seconds later."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from merchant_sync.health import HOST
from merchant_sync.parts import POSTGRES
from merchant_sync.postgres import SUPERUSER, SYSTEM_USER, find_binaries
from merchant_sync.stack import Stack


@contextmanager
def run_standby(stack: Stack, *, delay_seconds: int) -> Iterator[int]:
    """Run a replica of the stack's Postgres while the context lasts. Yield its port."""
    identity: dict[str, Any] = {}
    folder, port = stack.data_dir / "standby", _find_free_port()
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        # Postgres does not run as root.
        entry = pwd.getpwnam(SYSTEM_USER)
        identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        shutil.chown(folder, SYSTEM_USER)
    source = ["-h", HOST, "-p", str(stack.environment.get_port(POSTGRES)), "-U", SUPERUSER]
    password = {"PGPASSWORD": stack.environment.secrets["postgres_password"]}
    copy = [str(find_binaries() / "pg_basebackup"), *source, "-D", str(folder), "-X", "stream", "-R", "-c", "fast"]
    subprocess.run(copy, env={**os.environ, **password}, cwd="/", check=True, **identity)
    settings = [
        *("-c", f"recovery_min_apply_delay={delay_seconds}s", "-c", f"listen_addresses={HOST}"),
        # A replica must allow as many connections as its primary.
        *("-c", "max_connections=200", "-c", "unix_socket_directories="),
    ]
    command = [str(find_binaries() / "postgres"), "-D", str(folder), "-p", str(port), *settings]
    with (stack.data_dir / "logs" / "standby.log").open("wb") as log:
        server = subprocess.Popen(command, cwd="/", stderr=log, **identity)
    try:
        _wait_until_accepting(server, port)
        yield port
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown, which does not wait for clients
        server.wait(30)


def _find_free_port() -> int:
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])


def _wait_until_accepting(server: "subprocess.Popen[bytes]", port: int) -> None:
    check = [str(find_binaries() / "pg_isready"), "-h", HOST, "-p", str(port), "-q"]
    deadline = time.monotonic() + 60
    while subprocess.run(check, check=False).returncode:
        assert server.poll() is None and time.monotonic() < deadline, "the replica does not start"
        time.sleep(0.1)
