"""Back up and restore the database of a stack with PostgreSQL's own tools, as docs/operating.md says."""

import os
import shutil
import subprocess
from pathlib import Path

from merchant_sync.health import HOST
from merchant_sync.parts import POSTGRES
from merchant_sync.postgres import SUPERUSER, find_binaries
from merchant_sync.stack import Stack


def back_up(stack: Stack) -> str:
    """Return all databases and roles as SQL."""
    return _run_tool(stack, "pg_dumpall", "")


def lose_database(stack: Stack) -> None:
    """Kill Postgres and delete all of its files."""
    stack.kill(POSTGRES)
    shutil.rmtree(stack.data_dir / "postgres")


def restore(stack: Stack, backup: str) -> None:
    """Start an empty Postgres and restore the backup into it."""
    stack.start_part(POSTGRES)
    # The roles and the empty schemas exist already, so some statements fail. Those that count are checked by the tests.
    _run_tool(stack, "psql", backup, "-X", "-q", "-d", "postgres")


def _run_tool(stack: Stack, tool: str, sql: str, *options: str) -> str:
    port = stack.environment.get_port(POSTGRES)
    address = ["-h", HOST, "-p", str(port), "-U", SUPERUSER]
    environment = {**os.environ, "PGPASSWORD": stack.environment.secrets["postgres_password"]}
    command = [str(Path(find_binaries()) / tool), *address, *options]
    return subprocess.run(command, input=sql, env=environment, capture_output=True, text=True, check=True).stdout
