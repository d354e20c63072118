"""Choose loopback ports for the parts. A part keeps its port from run to run, if the port is still free."""

import fcntl
import json
import os
import random
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from merchant_sync.health import HOST

# Below Linux' range for outgoing connections, so that a port stays free while its part is down.
_FIRST, _LAST = 20_000, 32_000


class _Reservations:
    """The ports that were chosen and are perhaps not listened on yet, by all processes of this user.

    Each is a locked byte of one file, whose lock ends with the process. Within the process, ports belong to the `owner`
    that has chosen them, because a process is never kept out by its own locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._owners: dict[int, Path] = {}
        self._lock = threading.Lock()

    def reserve(self, port: int, owner: Path) -> bool:
        """Reserve a port, and return whether it is the owner's now."""
        with self._lock:
            if self._file is None:
                # Never closed: closing any descriptor of the file would end all locks of the process.
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            if self._owners.get(port, owner) != owner:
                return False
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                return False
            self._owners[port] = owner
            return True


_RESERVATIONS = _Reservations(Path(tempfile.gettempdir()) / f"merchant-sync-ports-{os.getuid()}")


def is_free(port: int) -> bool:
    """Return whether a server could listen on the loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _generate_candidates(remembered: int | None) -> Iterator[int]:
    if remembered:
        yield remembered
    while True:
        yield random.randrange(_FIRST, _LAST)


def _read(path: Path) -> dict[str, int]:
    """Return the ports of earlier runs, by part, from the file `path`.

    When the file is missing or incomplete, return an empty dict, so that new ports are chosen.
    """
    try:
        remembered: dict[str, int] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return remembered


class Ports:
    """Chooses ports by the name of a part and keeps them in a JSON file. Several threads may use one object."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._remembered = _read(path)
        self._ports: dict[str, int] = {}
        self._lock = threading.Lock()

    def get_or_choose_port(self, name: str) -> int:
        """Return the port of the part `name`. The first call chooses it; later calls return the same port."""
        with self._lock:
            if name not in self._ports:
                in_use = set(self._ports.values())
                options = _generate_candidates(self._remembered.get(name))
                self._ports[name] = next(
                    port
                    for port in options
                    if port not in in_use and _RESERVATIONS.reserve(port, self._path) and is_free(port)
                )
                self._write()
            return self._ports[name]

    def _write(self) -> None:
        """Write all ports into a new file and rename it, so that a kill leaves the old file or the new one."""
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps({**self._remembered, **self._ports}, indent=2, sort_keys=True))
        draft.replace(self._path)
