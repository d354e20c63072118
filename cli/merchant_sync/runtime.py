"""The note by which other commands find the running stack: `runtime.json` in its data folder."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from merchant_sync import processes

FILE_NAME = "runtime.json"


@dataclass(frozen=True)
class Runtime:
    """Where a running stack is to be found. No secrets: those are in `secrets.json`."""

    pid: int
    pid_start: int
    gateway_url: str
    addresses: dict[str, str]
    children: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        """Whether the runner that wrote the note still runs."""
        return processes.is_same(self.pid, self.pid_start)


def note(gateway_url: str, addresses: dict[str, str], pids: dict[str, int]) -> Runtime:
    """The note of this very process about its children."""
    starts = {name: (pid, processes.started_at(pid)) for name, pid in pids.items()}
    children = {name: (pid, start) for name, (pid, start) in starts.items() if start is not None}
    return Runtime(os.getpid(), processes.started_at(os.getpid()) or 0, gateway_url, addresses, children)


def write(data_dir: Path, runtime: Runtime) -> None:
    """Write the note in one move, for its owner only."""
    draft = data_dir / f"{FILE_NAME}.new"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(runtime), indent=2))
    draft.replace(data_dir / FILE_NAME)


def read(data_dir: Path) -> Runtime | None:
    """The note as it was written, stale or not; None when there is none or it cannot be read."""
    try:
        fields = json.loads((data_dir / FILE_NAME).read_text())
        fields["children"] = {name: (pid, start) for name, (pid, start) in fields["children"].items()}
        return Runtime(**fields)
    except (FileNotFoundError, json.JSONDecodeError, TypeError, KeyError, ValueError):
        return None


def find(data_dir: Path) -> Runtime | None:
    """The stack that runs on this data folder now, None when none does."""
    found = read(data_dir)
    return found if found and found.is_live else None


def sweep(data_dir: Path) -> list[str]:
    """End what a killed runner left running and remove its note; the names of what was ended."""
    found = read(data_dir)
    if found is None or found.is_live:
        return []
    left = {name: child for name, child in found.children.items() if processes.is_same(*child)}
    for pid, start in left.values():
        processes.end(pid, start)
    remove(data_dir)
    return sorted(left)


def remove(data_dir: Path) -> None:
    """Take the note away."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)
