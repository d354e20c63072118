"""docs/terminal-failures.md names every place where a sync can fail for good, and says why no change is lost there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FETCHERS = ("libs/connector/connector", "platforms", "services/*-fetcher")
LEDGERS = ("services/spaces-writer", "services/scheduler")
REFUSALS = {
    "PermanentError",
    "AccessDeniedError",
    "ConnectionEndedError",
    "UnreadableRecord",
    "LargeAnswerError",
    "MissingRecordError",
    "NotOdooError",
    "NotPhpMyAdminError",
    "SignInImpossibleError",
    "SignInUnclearError",
    "StatementRefusedError",
    "UnknownFieldError",
}
"""What a fetcher makes of an answer after which it does not try again."""
GATEWAY_ROLES = {"admin_api", "connect", "graph", "page_api", "subscriptions", "webhooks"}
"""Modules of platforms that the gateway loads: their refusals concern no sync."""
ROW = re.compile(r"^\| `([^`]+)` `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def list_functions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Yield each function of a module by its name, methods with the name of their class."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def is_refusal(node: ast.AST) -> bool:
    """Return whether the node makes one of the REFUSALS."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS


def is_failure(node: ast.AST) -> bool:
    """Return whether the node is a call that is given the status `failed`."""
    if not isinstance(node, ast.Call):
        return False
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    # A status may also be chosen: "failed" if reason else "success".
    constants = [inner for value in values if not isinstance(value, ast.Call) for inner in ast.walk(value)]
    return any(isinstance(one, ast.Constant) and one.value == "failed" for one in constants)


def list_places() -> set[tuple[str, str]]:
    """Return (module, function) of every place where a sync can fail for good."""
    places = set()
    for patterns, is_place in ((FETCHERS, is_refusal), (LEDGERS, is_failure)):
        for path in sorted(path for pattern in patterns for root in ROOT.glob(pattern) for path in root.rglob("*.py")):
            parts = path.relative_to(ROOT).parts
            if {"tests", "generated"} & set(parts) or (parts[0] == "platforms" and path.stem in GATEWAY_ROLES):
                continue
            places |= {
                ("/".join(parts), name)
                for name, function in list_functions(path)
                if any(is_place(node) for node in ast.walk(function))
            }
    return places


def test_every_terminal_failure_is_in_the_table_with_its_reason() -> None:
    rows = ROW.findall((ROOT / "docs" / "terminal-failures.md").read_text())
    assert {(module, function) for module, function, _, _ in rows} == list_places()
    assert len(rows) == len({row[:2] for row in rows}), "each place once"
