"""`kubectl` on the cluster of the current context, and what is asked of it in words."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAMESPACE = "merchant-sync"


class KubectlFailed(Exception):
    """What kubectl says is wrong."""


def kubectl(*words: str, within: float = 300, given: str | None = None) -> str:
    """Run it in our namespace; its standard output. Raises `KubectlFailed`."""
    command = ["kubectl", "--namespace", NAMESPACE, *words]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=within)
    if done.returncode:
        raise KubectlFailed(f"{' '.join(words)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def operator(*words: str) -> str:
    """The operator's command in its own pod."""
    return kubectl("exec", "deploy/operator", "--", "merchant-sync", *words)


def rendered(folder: Path) -> str:
    """An overlay as it would be applied."""
    return subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True).stdout


def roll_out(*names: str, within: int = 240) -> None:
    """Wait until these are there as they should be."""
    for name in names:
        kubectl("rollout", "status", name, f"--timeout={within}s", within=within + 10)


def replicas(deployment: str) -> int:
    """How many pods of a Deployment are ready."""
    status: dict[str, Any] = json.loads(kubectl("get", "deploy", deployment, "-o", "json"))["status"]
    return int(status.get("readyReplicas", 0))


def until(reached: Callable[[], bool], *, within: float) -> float:
    """Wait for it; the seconds that it took."""
    began = time.monotonic()
    while not reached():
        assert time.monotonic() - began < within, f"not reached within {within} s"
        time.sleep(0.5)
    return time.monotonic() - began
