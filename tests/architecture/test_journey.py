"""The way of a webhook in docs/architecture.md names files that exist, and that call one another as it says."""

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^(?P<indent> *)(?:\d+\.|-) `(?P<file>[\w/.-]+\.py)`(?: \(wired in (?P<wiring>[^)]+)\))?: ")


class Step(NamedTuple):
    """A file of the journey; `wiring` are the files that connect it with the one before it."""

    file: str
    wiring: tuple[str, ...]
    is_main: bool


def read_processes() -> list[list[Step]]:
    """Return the steps of the journey, by process."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.partition("## The way of a webhook")[2].partition("\n## ")[0]
    processes: list[list[Step]] = [[]]
    for line in section.splitlines():
        if line.startswith("→ topic"):
            processes.append([])
        elif match := LINE.match(line):
            wiring = tuple(re.findall(r"`([^`]+)`", match["wiring"] or ""))
            processes[-1].append(Step(match["file"], wiring, not match["indent"]))
    return processes


def list_imports(file: str) -> set[str]:
    """Return the names of all modules that a file imports, and of what it imports from them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def get_module(file: str) -> str:
    """Return the module name of a file of a service, a library or a platform."""
    parts = Path(file).with_suffix("").parts
    return ".".join(parts if parts[0] == "platforms" else parts[2:])


def imports(importer: str, file: str) -> bool:
    """Return whether `importer` imports the module of `file`, or loads it as a platform's role."""
    module = get_module(file)
    if module in (names := list_imports(importer)):
        return True
    is_role = module.startswith("platforms.")
    return (
        is_role
        and "platforms.registry.load_role" in names
        and f'"{module.split(".")[2]}"' in (ROOT / importer).read_text()
    )


PROCESSES = read_processes()
STEPS = [step for process in PROCESSES for step in process]


def find_caller(process: list[Step], index: int) -> Step:
    """Return the step that calls the one at `index`: the last main step before it."""
    return next(step for step in reversed(process[:index]) if step.is_main)


CALLS = [(process, index) for process in PROCESSES for index in range(1, len(process))]


def test_the_journey_goes_through_three_processes() -> None:
    assert [len([step for step in process if step.is_main]) for process in PROCESSES] == [3, 6, 6]


def test_the_journey_stays_short() -> None:
    """A switch: the next call lies in another file. A return: it lies in a file that was visited before."""
    files = [step.file for step in STEPS]
    switches = sum(after != before for before, after in pairwise(files))
    returns = sum(file in files[:index] and file != files[index - 1] for index, file in enumerate(files))
    assert switches <= 40 and returns <= 10, (switches, returns)


@pytest.mark.parametrize("file", sorted({path for step in STEPS for path in (step.file, *step.wiring)}))
def test_every_file_of_the_journey_exists(file: str) -> None:
    assert (ROOT / file).is_file()


@pytest.mark.parametrize(("process", "index"), CALLS, ids=lambda value: str(value) if isinstance(value, int) else "")
def test_each_step_is_reached_from_the_one_before(process: list[Step], index: int) -> None:
    """A step is imported by its caller, or by a file that is connected with an earlier step of its process."""
    step, earlier = process[index], process[:index]
    if not step.wiring:
        assert imports(find_caller(process, index).file, step.file)
        return
    first, last = step.wiring[0], step.wiring[-1]
    connected = {path for other in earlier for path in (other.file, *other.wiring)}
    assert any(path == first or imports(first, path) or imports(path, first) for path in connected)
    assert imports(last, step.file)
