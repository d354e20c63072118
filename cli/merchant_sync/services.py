"""Run the sandbox and the product's own services as child processes, each by `python -m NAME.app`."""

import sys
from collections.abc import Mapping

from merchant_sync import health
from merchant_sync.parts import SANDBOX, Part


def build_sandbox(port: int, env: Mapping[str, str]) -> Part:
    """Return the part that runs the sandbox (it simulates the platforms) on loopback `port`."""
    return Part(
        name=SANDBOX,
        command=[sys.executable, "-P", "-m", "sandbox.app"],
        env=env,
        is_healthy=lambda: health.is_http_ok(port, "/health"),
    )


def build_service(name: str, instance: str, port: int, env: Mapping[str, str]) -> Part:
    """Return the part that runs one instance of the service `name`. It is healthy once `/ready` answers 2xx."""
    return Part(
        name=instance,
        command=[sys.executable, "-P", "-m", f"{name.replace('-', '_')}.app"],
        env=env,
        is_healthy=lambda: health.is_http_ok(port, "/ready"),
    )
