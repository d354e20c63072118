"""The log of deliveries: one line each, in the form of all other log lines, at a cost that every delivery can bear."""

import asyncio
import atexit
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import orjson

from gateway.metrics import CountDelivery

_FLUSH_SECONDS = 0.05
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class DeliveryLog:
    """Collects lines for at most 50 ms and writes them at once. A kill loses lines, but nothing that is in Kafka."""

    def __init__(self, service: str, account_field: str, count_delivery: CountDelivery) -> None:
        """`account_field` is the field for the account's name, as the platform calls its accounts."""
        self._count_delivery = count_delivery
        self._service = service
        self._account_field = account_field
        self._lines: list[bytes] = []
        atexit.register(self.flush)

    def write(
        self, topic: str, account: str, webhook_id: str, outcome: str, fields: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Log and count a delivery. Its body is never logged.

        `outcome` begins with one of `metrics.OUTCOMES` or is a text of its own. `fields` are its connection, sync and
        trace, as far as they are known.
        """
        self._count_delivery(topic, outcome)
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        line = {
            "event": "delivery received",
            "topic": topic,
            self._account_field: account,
            "webhook_id": webhook_id,
            "outcome": outcome,
            **fields,
            "service": self._service,
            "level": "info",
            "timestamp": datetime.now(UTC),
        }
        self._lines.append(orjson.dumps(line, option=_OPTIONS))

    def flush(self) -> None:
        """Write the lines that were collected."""
        lines, self._lines = self._lines, []
        sys.stdout.write(b"".join(lines).decode())
        sys.stdout.flush()
