"""Runs a real MariaDB and a real phpMyAdmin, both of Debian, as child processes with all of their files in one folder.

Nothing of the system's own configuration is used or changed, and no system service.
"""

import getpass
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import pymysql
from pymysql.connections import Connection

PACKAGES = Path(__file__).with_name("debian-packages.txt")
CODE = Path("/usr/share/phpmyadmin")
START_SECONDS = 60.0
PHP_WORKERS = 4
"""How many requests phpMyAdmin answers at the same time."""
_GUARD = 'exec 3<&0; (read -r _ <&3; kill -KILL 0) & exec "$@" 3<&- </dev/null'
"""Runs a command, and kills its process group once standard input is closed: PHP's workers would outlive PHP."""
_LOG_ENTRY = re.compile(r"^(?:\d{6} [\d: ]{8})?\t[\t ]*(\d+) (\w+|Init DB)\t(.*)$")
_PHP_SERVER_PORT = re.compile(r"\(http://127\.0\.0\.1:(\d+)\) started")

PhpValue = str | int | bool | Sequence["PhpValue"] | Mapping[str, "PhpValue"]


def require_packages() -> None:
    """Raise AssertionError with the command that installs what is missing of Debian's packages."""
    lines = [line.split() for line in PACKAGES.read_text().splitlines() if not line.startswith("#")]
    missing = [package for file, *packages in lines if not Path(file).exists() for package in packages]
    command = f"apt-get install --no-install-recommends {' '.join(missing)}"
    assert not missing, f"the tests of a real phpMyAdmin need Debian's packages: {command}"


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a temporary folder that other users may enter, because MariaDB does not run as root."""
    with TemporaryDirectory(prefix="phpmyadmin-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


class MariaDb:
    """A MariaDB of its own in an empty folder, on a port of 127.0.0.1, whose `root` has no password.

    All statements are in its general log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._log = self._data / "general.log"
        self._user = _get_server_user()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _find_free_port()

    def install(self) -> None:
        """Write the system tables of an empty server."""
        self._data.mkdir()
        for path in (self._folder, self._data):
            shutil.chown(path, self._user)
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=16M"]
        command = ["mariadb-install-db", "--no-defaults", f"--user={self._user}", f"--datadir={self._data}", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start the server with the data that is there, and wait until it answers."""
        command = [
            *("mariadbd", "--no-defaults", f"--user={self._user}", f"--datadir={self._data}"),
            *(f"--socket={self._folder / 'socket'}", f"--port={self.port}", "--bind-address=127.0.0.1"),
            *("--skip-name-resolve", "--general-log=1", "--log-output=FILE", f"--general-log-file={self._log}"),
            *("--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M"),
            *("--character-set-server=utf8mb4", f"--log-error={self._folder / 'error.log'}"),
        ]
        self._process = _start_process(command, subprocess.DEVNULL)
        _wait_until(self._is_answering, self._process, self._folder / "error.log")

    def stop(self) -> None:
        """Shut the server down in good order, if it runs."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server at once, as a crash would."""
        self._end(signal.SIGKILL)

    def connect(self, user: str = "root", password: str = "", **options: Any) -> Connection:
        """Open a connection of a driver, which commits each statement. `options` are PyMySQL's."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=password,
            charset="utf8mb4",
            autocommit=True,
            **options,
        )

    def execute(self, *statements: str, **options: Any) -> list[tuple[Any, ...]]:
        """Execute statements as root, and return the rows of the last one. `options` are PyMySQL's."""
        rows: list[tuple[Any, ...]] = []
        with self.connect(**options) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def create_user(self, name: str, password: str, *grants: str) -> None:
        """Create a user, or replace it. A grant is what follows GRANT, such as `SELECT ON shop.*`."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE OR REPLACE USER %s@'%%' IDENTIFIED BY %s", (name, password))
            for grant in grants:
                cursor.execute(f"GRANT {grant} TO %s@'%%'", (name,))

    def list_running(self, user: str, state: str = "%") -> list[int]:
        """Return the ids of a user's connections whose statement is being executed, and is in a state like `state`.

        It is `Writing to net` while a result is sent.
        """
        asked = "SELECT id FROM information_schema.processlist WHERE user = %s AND command = 'Query' AND state LIKE %s"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(asked, (user, state))
            return [found for (found,) in cursor.fetchall()]

    def kill_queries(self, user: str) -> int:
        """Kill the statements of a user that are being executed, and return how many there were."""
        found = self.list_running(user)
        self.execute(*(f"KILL QUERY {connection}" for connection in found))
        return len(found)

    def kill_connections(self, user: str) -> int:
        """Close the connections of a user, and return how many there were."""
        ids = self.execute(f"SELECT id FROM information_schema.processlist WHERE user = '{user}'")
        self.execute(*(f"KILL {connection}" for (connection,) in ids))
        return len(ids)

    def list_statements(self, user: str) -> list[str]:
        """Return all statements of a user that the server has received since the log was cleared, in order."""
        users: dict[str, str] = {}
        statements: list[str] = []
        is_open = False
        for line in self._log.read_text(errors="replace").splitlines():
            entry = _LOG_ENTRY.match(line)
            if entry is None:
                if is_open:
                    statements[-1] += f"\n{line}"
                continue
            connection, command, argument = entry.groups()
            if command == "Connect":
                users[connection] = argument.partition("@")[0]
            is_open = users.get(connection) == user and command in ("Query", "Init DB", "Execute")
            if is_open:
                statements.append(f"USE {argument}" if command == "Init DB" else argument)
        return statements

    def clear_log(self) -> None:
        """Forget all statements so far. No connection may be open."""
        os.truncate(self._log, 0)

    def _is_answering(self) -> bool:
        try:
            self.execute("SELECT 1", connect_timeout=5)
        except pymysql.err.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            _end_process(self._process, how)
            self._process = None


@dataclass(frozen=True)
class Configuration:
    """How a phpMyAdmin is set up. `servers` are what differs in each of its entries of `$cfg['Servers']`.

    `settings` are further entries of `$cfg`, `php` are settings of PHP, and without `has_json` its export plugin for
    JSON is removed, as some hosts do.
    """

    servers: Sequence[Mapping[str, PhpValue]] = ({},)
    settings: Mapping[str, PhpValue] = field(default_factory=dict)
    php: Mapping[str, PhpValue] = field(default_factory=dict)
    has_json: bool = True


class PhpMyAdmin:
    """A phpMyAdmin at `url`, for a MariaDB at a port of 127.0.0.1, on the server for development that PHP brings."""

    def __init__(self, folder: Path, database_port: int, configuration: Configuration) -> None:
        self._folder = folder
        self._configuration = configuration
        self._database_port = database_port
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def install(self) -> None:
        """Make a copy of Debian's code that reads no configuration but its own."""
        code = self._folder / "code"
        code.mkdir()
        for path in CODE.iterdir():
            if path.name in ("js", "locale", "templates", "themes"):
                (code / path.name).symlink_to(path)
            elif path.is_dir():
                shutil.copytree(path, code / path.name)
            else:
                # Copied, since PHP resolves links: the code would find itself in Debian's folder.
                shutil.copy(path, code / path.name)
        for name in ("tmp", "sessions"):
            (self._folder / name).mkdir()
        vendor = code / "libraries" / "vendor_config.php"
        configuration = code / "config.inc.php"
        text, count = re.subn(r"'configFile' => .*", f"'configFile' => '{configuration}',", vendor.read_text())
        assert count == 1
        vendor.write_text(text)
        configuration.write_text(self._build_configuration())
        if not self._configuration.has_json:
            (code / "libraries/classes/Plugins/Export/ExportJson.php").unlink()

    def start(self) -> None:
        """Start to serve at a free port, and wait until the first page is there."""
        settings = {"session.save_path": str(self._folder / "sessions"), **self._configuration.php}
        options = [argument for name, value in settings.items() for argument in ("-d", f"{name}={value}")]
        log = self._folder / "php.log"
        with log.open("wb") as output:
            self._process = _start_process(
                ["php", *options, "-S", "127.0.0.1:0", "-t", str(self._folder / "code")],
                output,
                PHP_CLI_SERVER_WORKERS=str(PHP_WORKERS),
            )
        _wait_until(lambda: _PHP_SERVER_PORT.search(log.read_text()) is not None, self._process, log)
        started = _PHP_SERVER_PORT.search(log.read_text())
        assert started is not None
        self.url = f"http://127.0.0.1:{started[1]}"

    def stop(self) -> None:
        """Stop the server with its workers, if it runs."""
        if self._process is not None:
            _end_process(self._process, signal.SIGKILL)
            self._process = None

    def end_sessions(self) -> None:
        """Delete the files of all sessions, as a host's clean-up does."""
        for path in (self._folder / "sessions").iterdir():
            path.unlink()

    def _build_configuration(self) -> str:
        defaults: dict[str, PhpValue] = {"auth_type": "cookie", "connect_type": "tcp", "host": "127.0.0.1"}
        defaults["port"] = str(self._database_port)
        settings: dict[str, PhpValue] = {
            "blowfish_secret": "0123456789abcdef0123456789abcdef",
            "TempDir": f"{self._folder / 'tmp'}/",
            **self._configuration.settings,
        }
        lines = [f"$cfg[{_write_php(name)}] = {_write_php(value)};" for name, value in settings.items()]
        lines += [
            f"$cfg['Servers'][{number}] = {_write_php({**defaults, **server})};"
            for number, server in enumerate(self._configuration.servers, 1)
        ]
        return "\n".join(["<?php", *lines, ""])


StartPhpMyAdmin = Callable[[Configuration], PhpMyAdmin]
"""Starts a phpMyAdmin, unless one of the same configuration runs."""


def _write_php(value: PhpValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    if isinstance(value, Mapping):
        return f"[{', '.join(f'{_write_php(name)} => {_write_php(part)}' for name, part in value.items())}]"
    return f"[{', '.join(map(_write_php, value))}]"


def _get_server_user() -> str:
    """Return the user that runs MariaDB: the present one, or for root, as which it does not run, an ordinary one."""
    if os.geteuid():
        return getpass.getuser()
    return next(user for user in ("mysql", "nobody") if user in {entry.pw_name for entry in pwd.getpwall()})


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _start_process(command: Sequence[str], output: int | IO[bytes], **environment: str) -> "subprocess.Popen[bytes]":
    """Start a process, which ends with this one, however this one ends."""
    return subprocess.Popen(
        ["sh", "-c", _GUARD, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def _end_process(process: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    """End a process by a signal, and kill what is left of its process group."""
    process.send_signal(how)
    process.wait(START_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()


def _wait_until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
        time.sleep(0.02)
