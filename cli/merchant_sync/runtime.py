"""Write and read `runtime.json`: other commands find a running stack by this file in its data folder."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from merchant_sync import processes

FILE_NAME = "runtime.json"


@dataclass(frozen=True)
class Runtime:
    """The content of `runtime.json`: the addresses and process ids of a stack. Secrets are in `secrets.json`."""

    pid: int
    pid_start: int
    gateway_url: str
    addresses: dict[str, str]
    children: dict[str, tuple[int, int]] = field(default_factory=dict)
    external_parts: tuple[str, ...] = ()
    """The parts that run elsewhere: the stack was given their addresses, and knows no generated secrets for them."""

    @property
    def is_live(self) -> bool:
        """Whether the process that wrote `runtime.json` (it runs the stack) still runs."""
        return processes.is_same_process(self.pid, self.pid_start)


def build_runtime(
    gateway_url: str, addresses: dict[str, str], pids: dict[str, int], external_parts: Iterable[str] = ()
) -> Runtime:
    """Return the content of `runtime.json` for a stack that this process runs. `pids` has each part's process id."""
    starts = {name: (pid, processes.get_start_time(pid)) for name, pid in pids.items()}
    children = {name: (pid, start) for name, (pid, start) in starts.items() if start is not None}
    start = processes.get_start_time(os.getpid()) or 0
    return Runtime(os.getpid(), start, gateway_url, addresses, children, tuple(sorted(external_parts)))


def write(data_dir: Path, runtime: Runtime) -> None:
    """Write `runtime.json`, readable by its owner only. A rename replaces the old file, so it is never half written."""
    draft = data_dir / f"{FILE_NAME}.new"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(runtime), indent=2))
    draft.replace(data_dir / FILE_NAME)


def read(data_dir: Path) -> Runtime | None:
    """Return the content of `runtime.json`, even of a stack that has ended; None when it is missing or invalid."""
    try:
        fields = json.loads((data_dir / FILE_NAME).read_text())
        fields["children"] = {name: (pid, start) for name, (pid, start) in fields["children"].items()}
        fields["external_parts"] = tuple(fields["external_parts"])
        return Runtime(**fields)
    except (FileNotFoundError, json.JSONDecodeError, TypeError, KeyError, ValueError):
        return None


def find_running(data_dir: Path) -> Runtime | None:
    """Return the content of `runtime.json` if the stack with this data folder runs now; None when it does not run."""
    found = read(data_dir)
    return found if found and found.is_live else None


def terminate_leftovers(data_dir: Path) -> list[str]:
    """Terminate the parts that still run after the process that started them was killed, and remove `runtime.json`.

    Return the names of those parts.
    """
    found = read(data_dir)
    if found is None or found.is_live:
        return []
    leftovers = {name: child for name, child in found.children.items() if processes.is_same_process(*child)}
    for pid, start in leftovers.values():
        processes.terminate(pid, start)
    remove_runtime_file(data_dir)
    return sorted(leftovers)


def remove_runtime_file(data_dir: Path) -> None:
    """Remove `runtime.json`."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)
