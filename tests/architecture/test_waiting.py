"""Tests wait for conditions: none sleeps and hopes."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
"""What a test defines for others to call: a fake may be slow."""
LOOPS = (ast.While, ast.For, ast.AsyncFor)
"""A sleep in a loop is the pause between two looks at a condition."""


def find_sleeps(node: ast.AST) -> Iterator[int]:
    """Yield the lines of the sleeps in a test's own body, outside of loops and of nested functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and ast.unparse(child.func).split(".")[-1] == "sleep" and not is_turn(child):
            yield child.lineno
        if not isinstance(child, (*NESTED, *LOOPS)):
            yield from find_sleeps(child)


def is_turn(call: ast.Call) -> bool:
    """Return whether a sleep is one of 0 s, which only lets other tasks run."""
    return [ast.unparse(argument) for argument in call.args] == ["0"]


def list_tests(module: ast.Module) -> Iterator[ast.AST]:
    """Yield the test functions of a module, in classes too."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def test_no_test_sleeps_instead_of_waiting_for_a_condition() -> None:
    listed = subprocess.run(["git", "ls-files", "*test_*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = [
        f"{name}:{line}"
        for name in listed.stdout.splitlines()
        for test in list_tests(ast.parse((ROOT / name).read_text()))
        for line in find_sleeps(test)
    ]
    assert found == []


def test_sleeps_are_found_where_they_wait_and_nowhere_else() -> None:
    module = ast.parse("""
async def test_it():
    time.sleep(1)
    while not done:
        await asyncio.sleep(0.01)
    async def fake():
        await asyncio.sleep(5)
    with thing:
        await asyncio.sleep(2)
    await asyncio.sleep(0)
""")
    (test,) = list_tests(module)
    assert list(find_sleeps(test)) == [3, 9]
