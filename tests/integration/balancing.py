"""What stands before the instances of a service where it is deployed: one address, new connections to those ready."""

import asyncio
import itertools
import threading
from contextlib import suppress
from typing import Self

from merchant_sync.stack import Stack

HOST = "127.0.0.1"


class Balancer:
    """Takes TCP connections on `port` and carries them to the instances in `ready`, in turn.

    A connection stays with its instance as long as either end likes, as behind a Service of Kubernetes. `setting` names
    the port of an instance in its settings.
    """

    def __init__(self, setting: str, *ready: str) -> None:
        self.ready = list(ready)
        self.port = 0
        self.refused = 0
        """Connections that no instance took."""
        self.cut = 0
        """Connections that their instance has ended without an answer to what was asked on them."""
        self._setting = setting
        self._ports: dict[str, int] = {}
        self._stack: Stack | None = None
        self._turn = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._take, HOST, 0), self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """Where the service is."""
        return f"http://{HOST}:{self.port}"

    def stand_before(self, stack: Stack) -> None:
        """Know the stack whose instances these are."""
        self._stack = stack

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready, turn = list(self.ready), next(self._turn)
        for place in range(len(ready)):
            try:
                upstream = await asyncio.open_connection(HOST, self._port_of(ready[(turn + place) % len(ready)]))
            except OSError:
                continue
            await self._carry(Side(reader, writer), Side(*upstream))
            return
        self.refused += 1
        writer.close()

    def _port_of(self, instance: str) -> int:
        assert self._stack is not None
        if instance not in self._ports:
            self._ports[instance] = int(self._stack.build_settings(instance)[self._setting])
        return self._ports[instance]

    async def _carry(self, client: "Side", server: "Side") -> None:
        await asyncio.gather(client.carry_to(server), server.carry_to(client))
        if client.spoke_last_before(server):
            self.cut += 1


class Side:
    """One end of a connection that is carried."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._spoken = 0.0
        self._left = float("inf")

    async def carry_to(self, other: "Side") -> None:
        """Carry all that comes from this end, until it or the other ends."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while data := await self._reader.read(64 * 1024):
                self._spoken = loop.time()
                other._writer.write(data)
                await other._writer.drain()
        self._left = loop.time()
        with suppress(OSError):
            other._writer.close()

    def spoke_last_before(self, other: "Side") -> bool:
        """Whether this end has asked something after the other's last answer, and the other then left first."""
        return self._spoken > other._spoken and other._left < self._left
