"""The way of a webhook in docs/architecture.md names files that exist, and that call one another as it says."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEP = re.compile(r"^\d+\. `(?P<file>[\w/.-]+\.py)`(?: \(wired in `(?P<wiring>[\w/.-]+\.py)`\))?:")
TOPIC = re.compile(r"^\s*→ topic `")


def read_steps() -> list[list[tuple[str, str | None]]]:
    """Return the steps of the journey as (file, file that wires it to the step before), by process."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.partition("## The way of a webhook")[2].partition("\n## ")[0]
    processes: list[list[tuple[str, str | None]]] = [[]]
    for line in section.splitlines():
        if TOPIC.match(line):
            processes.append([])
        elif match := STEP.match(line):
            processes[-1].append((match["file"], match["wiring"]))
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


PROCESSES = read_steps()
PAIRS = [(before[0], after[0], after[1]) for process in PROCESSES for before, after in pairwise(process)]


def test_the_journey_goes_through_three_services_of_its_own_and_back_to_the_ledger() -> None:
    assert len(PROCESSES) >= 3
    assert sum(map(len, PROCESSES)) >= 12


@pytest.mark.parametrize("file", sorted({file for process in PROCESSES for file, _ in process}))
def test_every_file_of_the_journey_exists(file: str) -> None:
    assert (ROOT / file).is_file()


@pytest.mark.parametrize(("before", "after", "wiring"), PAIRS)
def test_each_step_reaches_the_next(before: str, after: str, wiring: str | None) -> None:
    """A step imports the next one, or the file that is named wires both of them together.

    A platform's modules are loaded by role, so their import is the loading of the role.
    """
    if wiring is not None:
        imported = list_imports(wiring)
        assert loads(imported, wiring, after), f"{wiring} does not import {get_module(after)}"
        assert wiring == before or loads(imported, wiring, before), f"{wiring} does not import {get_module(before)}"
    else:
        assert loads(list_imports(before), before, after), f"{before} does not import {get_module(after)}"


def loads(imported: set[str], importer: str, file: str) -> bool:
    """Return whether the imports of `importer` include the module of `file`, or it loads that platform role."""
    module = get_module(file)
    if module.startswith("platforms.") and not importer.startswith(module.rpartition(".")[0].replace(".", "/")):
        role = module.split(".")[2]
        return "platforms.registry.load_role" in imported and f'"{role}"' in (ROOT / importer).read_text()
    return module in imported
