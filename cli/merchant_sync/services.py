"""The sandbox and the product's own services as child processes: `python -m NAME.app` each."""

import sys
from collections.abc import Mapping

from merchant_sync import health
from merchant_sync.parts import SANDBOX, Part


def sandbox(port: int, env: Mapping[str, str]) -> Part:
    """The stand-in for the platforms on loopback `port`."""
    return Part(
        name=SANDBOX,
        command=[sys.executable, "-P", "-m", "sandbox.app"],
        env=env,
        healthy=lambda: health.http_ok(port, "/health"),
    )


def service(name: str, instance: str, port: int, env: Mapping[str, str]) -> Part:
    """One instance of the service `name`; it has started when it calls itself ready."""
    return Part(
        name=instance,
        command=[sys.executable, "-P", "-m", f"{name.replace('-', '_')}.app"],
        env=env,
        healthy=lambda: health.http_ok(port, "/ready"),
    )
