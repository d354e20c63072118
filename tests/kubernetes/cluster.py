"""`kubectl` on the cluster of the current context."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAMESPACE = "merchant-sync"


class KubectlError(Exception):
    """kubectl failed; the message has its output."""


def kubectl(*words: str, within: float = 300, given: str | None = None) -> str:
    """Run it in our namespace and return its standard output. Raises KubectlError."""
    command = ["kubectl", "--namespace", NAMESPACE, *words]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=within)
    if done.returncode:
        raise KubectlError(f"{' '.join(words)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def run_operator(*words: str) -> str:
    """Run the operator's command in its own pod and return its output."""
    return kubectl("exec", "deploy/operator", "--", "merchant-sync", *words)


def render(folder: Path) -> str:
    """Return an overlay as it would be applied."""
    return subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True).stdout


def roll_out(*names: str, within: int = 240) -> None:
    """Wait until these are rolled out."""
    for name in names:
        kubectl("rollout", "status", name, f"--timeout={within}s", within=within + 10)


def count_replicas(deployment: str) -> int:
    """Return how many pods of a Deployment are ready."""
    status: dict[str, Any] = json.loads(kubectl("get", "deploy", deployment, "-o", "json"))["status"]
    return int(status.get("readyReplicas", 0))


def wait_until(condition: Callable[[], bool], *, within: float) -> float:
    """Wait for the condition and return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"not reached within {within} s"
        time.sleep(0.5)
    return time.monotonic() - began
