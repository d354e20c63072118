"""Run `docker compose` on this project's files, under a name and ports of the tests' own."""

import json
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MINUTES = 60
START = 10 * MINUTES
"""How long a start may take, in seconds: Kafka's tools start a Java machine for each of some fifty calls."""


class Compose:
    """`docker compose` with these files. `settings` are variables in the files, besides ports and tag."""

    def __init__(self, project: str, files: Sequence[Path], **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gateway, socket.create_server(("127.0.0.1", 0)) as data_api:
            self.port, self.data_api_port = (int(free.getsockname()[1]) for free in (gateway, data_api))
        self.url, self.data_api_url = f"http://localhost:{self.port}", f"http://localhost:{self.data_api_port}"
        # No `.env` of an operator, who may have one in this project's folder.
        self._command = ["docker", "compose", "--env-file", os.devnull, "-p", project]
        self._command += [word for file in files for word in ("-f", str(file))]
        ports = {"GATEWAY_PORT": str(self.port), "DATA_API_PORT": str(self.data_api_port)}
        self._environment = {**os.environ, **ports, "MERCHANT_SYNC_TAG": "test", **settings}

    def __call__(self, *words: str, within: float = 5 * MINUTES, given: str | None = None) -> str:
        """Run it and return its standard output. Fails with all of its output.

        `given` is its standard input; `within` is the time limit in seconds.
        """
        done = subprocess.run(
            [*self._command, *words],
            env=self._environment, input=given, capture_output=True, text=True, check=False, timeout=within,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def inspect(self) -> list[dict[str, Any]]:
        """Return Docker's description of every container that runs."""
        ids = self("ps", "-q").split()
        found: list[dict[str, Any]] = json.loads(
            subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
        )
        return found
