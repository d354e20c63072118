"""Generates a typed Python client from the OpenAPI document, as a reader of the data API may do."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements" / "client-generator.txt"
PACKAGE = "data_api_client"
# The generator would otherwise call a formatter, which it does not find.
_CONFIG = f"package_name_override: {PACKAGE}\npost_hooks: []\n"


def install_generator() -> Path:
    """Return the folder with the generator and what it needs, which is downloaded only once for each lock file.

    It has a folder of its own, because it needs an older typer than the product has.
    """
    digest = sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = ROOT / "data" / "cache" / f"client-generator-{digest}-{sys.implementation.cache_tag}"
    finished = folder / "finished"
    if not finished.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        subprocess.run([*pip, "--target", folder, "--require-hashes", "-r", LOCK], check=True)
        finished.touch()
    return folder


def generate_client(document: str, folder: Path) -> None:
    """Write the package `data_api_client` into `folder`. Raises `AssertionError` for any error or warning."""
    (folder / "openapi.json").write_text(document)
    (folder / "config.yaml").write_text(_CONFIG)
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none"]
    command += ["--config", "config.yaml", "--output-path", PACKAGE, "--fail-on-warning"]
    environment = {**os.environ, "PYTHONPATH": str(install_generator())}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
