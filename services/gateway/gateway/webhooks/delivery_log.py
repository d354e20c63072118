"""The log of deliveries: one JSON line for each, in the format of all other log lines.

It does not use structlog, which would cost too much on the path of every delivery.
"""

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
    """Collects log lines for at most 50 ms and writes them together.

    When the process is killed, collected lines are lost, but no sync request is: those are in Kafka.
    """

    def __init__(self, service: str, account_field: str, count_delivery: CountDelivery) -> None:
        """`account_field` names the log field for the account, in the platform's word for accounts, such as `shop`."""
        self._count_delivery = count_delivery
        self._service = service
        self._account_field = account_field
        self._lines: list[bytes] = []
        atexit.register(self.flush)

    def log_and_count_delivery(
        self, topic: str, account: str, webhook_id: str, outcome: str, fields: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Log and count a delivery. The delivery's body is never logged.

        `outcome` begins with a word of `metrics.OUTCOMES`, or describes what the gateway executed. `fields` are further
        log fields: the connection, the sync id and the trace, where they are known.
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
        """Write the collected lines to the standard output."""
        lines, self._lines = self._lines, []
        sys.stdout.write(b"".join(lines).decode())
        sys.stdout.flush()
