"""Run `kubectl` on the cluster of the current context."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAMESPACE = "merchant-sync"


class KubectlError(Exception):
    """Raised when kubectl fails. The message has kubectl's output."""


def kubectl(*words: str, within: float = 300, given: str | None = None) -> str:
    """Run kubectl in our namespace; return its standard output. Raises KubectlError when it fails.

    `given` is its standard input; `within` is the time limit in seconds.
    """
    command = ["kubectl", "--namespace", NAMESPACE, *words]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=within)
    if done.returncode:
        raise KubectlError(f"{' '.join(words)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def run_operator(*words: str) -> str:
    """Run a command of `merchant-sync` in the operator's pod; return its output."""
    return kubectl("exec", "deploy/operator", "--", "merchant-sync", *words)


def render(folder: Path) -> str:
    """Return the manifests of an overlay as YAML, as kubectl would apply them."""
    return subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True).stdout


def roll_out(*names: str, within: int = 240) -> None:
    """Wait until these workloads are rolled out, at most `within` seconds."""
    for name in names:
        kubectl("rollout", "status", name, f"--timeout={within}s", within=within + 10)


def count_replicas(deployment: str) -> int:
    """Return the number of ready pods of a Deployment."""
    status: dict[str, Any] = json.loads(kubectl("get", "deploy", deployment, "-o", "json"))["status"]
    return int(status.get("readyReplicas", 0))


def wait_until(condition: Callable[[], bool], *, within: float) -> float:
    """Wait until the condition is true; return the seconds that this took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"not reached within {within} s"
        time.sleep(0.5)
    return time.monotonic() - began
