"""Loopback ports for the parts, the same from run to run where they are still free."""

import json
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from merchant_sync.health import HOST

# Below Linux' range for outgoing connections, so that a port stays ours while its part is down.
_FIRST, _LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _candidates(remembered: int | None) -> Iterator[int]:
    if remembered:
        yield remembered
    while True:
        yield random.randrange(_FIRST, _LAST)


def _read(path: Path) -> dict[str, int]:
    """The remembered ports; none where the file is missing or was cut off, for new ones do as well."""
    try:
        remembered: dict[str, int] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return remembered


class Ports:
    """Names to ports, kept in a JSON file. Parts may ask side by side."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._remembered = _read(path)
        self._given: dict[str, int] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> int:
        """The port of `name`: chosen once, then always the same."""
        with self._lock:
            if name not in self._given:
                taken = set(self._given.values())
                options = _candidates(self._remembered.get(name))
                self._given[name] = next(port for port in options if port not in taken and is_free(port))
                self._write()
            return self._given[name]

    def _write(self) -> None:
        """Keep all ports, in one move: a kill leaves the old file or the new one."""
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps({**self._remembered, **self._given}, indent=2, sort_keys=True))
        draft.replace(self._path)
