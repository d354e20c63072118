"""The version stands in pyproject.toml alone."""

import tomllib
from importlib.metadata import version
from pathlib import Path

from typer.testing import CliRunner

from merchant_sync.app import app

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_command_prints_the_version_of_pyproject() -> None:
    result = CliRunner().invoke(app, ["--version"])

    assert (result.exit_code, result.stdout) == (0, f"merchant-sync {VERSION}\n")
    assert version("merchant-sync") == VERSION


def test_no_file_of_the_image_repeats_the_version() -> None:
    for name in ("Dockerfile", "compose.yaml", "compose.production.yaml"):
        assert f'"{VERSION}"' not in (ROOT / "deploy" / name).read_text()
