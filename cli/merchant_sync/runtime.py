"""`runtime.json` in the data folder of a running stack, by which other commands find it."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from merchant_sync import processes

FILE_NAME = "runtime.json"


@dataclass(frozen=True)
class Runtime:
    """How a running stack is found. It has no secrets: those are in `secrets.json`."""

    pid: int
    pid_start: int
    gateway_url: str
    addresses: dict[str, str]
    children: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        """Whether the runner that wrote the file still runs."""
        return processes.is_same(self.pid, self.pid_start)


def describe_own(gateway_url: str, addresses: dict[str, str], pids: dict[str, int]) -> Runtime:
    """Return the description of this process and of its children, whose process ids are `pids` by part."""
    starts = {name: (pid, processes.get_start_time(pid)) for name, pid in pids.items()}
    children = {name: (pid, start) for name, (pid, start) in starts.items() if start is not None}
    return Runtime(os.getpid(), processes.get_start_time(os.getpid()) or 0, gateway_url, addresses, children)


def write(data_dir: Path, runtime: Runtime) -> None:
    """Write the file by one rename, readable by its owner only."""
    draft = data_dir / f"{FILE_NAME}.new"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(runtime), indent=2))
    draft.replace(data_dir / FILE_NAME)


def read(data_dir: Path) -> Runtime | None:
    """Return the file as it was written, stale or not; None when there is none or it cannot be read."""
    try:
        fields = json.loads((data_dir / FILE_NAME).read_text())
        fields["children"] = {name: (pid, start) for name, (pid, start) in fields["children"].items()}
        return Runtime(**fields)
    except (FileNotFoundError, json.JSONDecodeError, TypeError, KeyError, ValueError):
        return None


def find_running(data_dir: Path) -> Runtime | None:
    """Return the stack that runs on this data folder now, None when none does."""
    found = read(data_dir)
    return found if found and found.is_live else None


def terminate_leftovers(data_dir: Path) -> list[str]:
    """Terminate the parts that a killed runner left running, remove its file, and return the names of those parts."""
    found = read(data_dir)
    if found is None or found.is_live:
        return []
    leftovers = {name: child for name, child in found.children.items() if processes.is_same(*child)}
    for pid, start in leftovers.values():
        processes.terminate(pid, start)
    remove(data_dir)
    return sorted(leftovers)


def remove(data_dir: Path) -> None:
    """Remove the file."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)
