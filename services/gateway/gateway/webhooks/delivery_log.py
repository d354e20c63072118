"""One line a delivery, on standard output, in the form of all other lines, cheap enough for every delivery."""

import asyncio
import atexit
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import orjson

from gateway.metrics import CountDelivery

_HELD_SECONDS = 0.05
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class DeliveryLog:
    """Lines gather for at most 50 ms and are written as one: what a kill loses of them is in Kafka all the same."""

    def __init__(self, service: str, account: str, count: CountDelivery) -> None:
        """`account` is what the platform's accounts are called in a line."""
        self._count = count
        self._service = service
        self._account = account
        self._lines: list[bytes] = []
        atexit.register(self.flush)

    def line(
        self, topic: str, account: str, webhook_id: str, outcome: str, named: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Log and count a delivery. `outcome` begins with one of few words; `named` are its connection, its sync and
        its trace as far as they are known; never its body."""
        self._count(topic, outcome)
        if not self._lines:
            asyncio.get_running_loop().call_later(_HELD_SECONDS, self.flush)
        said = {
            "event": "delivery received",
            "topic": topic,
            self._account: account,
            "webhook_id": webhook_id,
            "outcome": outcome,
            **named,
            "service": self._service,
            "level": "info",
            "timestamp": datetime.now(UTC),
        }
        self._lines.append(orjson.dumps(said, option=_OPTIONS))

    def flush(self) -> None:
        """Write what has gathered."""
        lines, self._lines = self._lines, []
        sys.stdout.write(b"".join(lines).decode())
        sys.stdout.flush()
