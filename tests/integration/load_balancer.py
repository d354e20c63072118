"""A load balancer for tests: one URL for all instances of a service, like a Service of Kubernetes."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from merchant_sync.parts import DATA_API, GATEWAY, SCHEDULER
from merchant_sync.stack import Stack
from platforms.registry import PLATFORMS
from world import CACHED_JARS, SETTINGS, World

HOST = "127.0.0.1"


class LoadBalancer:
    """Accepts TCP connections on `port` and forwards each to one of the instances in `ready`, in turn.

    A TCP connection stays with its instance until either end closes it. `port_setting` is the name of the setting with
    the port of an instance.
    """

    def __init__(self, port_setting: str, *ready: str) -> None:
        self.ready = list(ready)
        self.port = 0
        self.refused_count = 0
        """The number of TCP connections that no instance accepted."""
        self.cut_count = 0
        """The number of TCP connections that their instance closed without answering the last request."""
        self._port_setting = port_setting
        self._ports: dict[str, int] = {}
        self._stack: Stack | None = None
        self._turn = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._accept, HOST, 0), self._loop).result(10)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The URL of the load balancer, and so of the service."""
        return f"http://{HOST}:{self.port}"

    def attach_stack(self, stack: Stack) -> None:
        """Set the stack that runs the instances.

        It is not a parameter of the constructor because the stack's settings contain this balancer's URL.
        """
        self._stack = stack

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready, turn = list(self.ready), next(self._turn)
        for attempt in range(len(ready)):
            try:
                upstream = await asyncio.open_connection(HOST, self._find_port(ready[(turn + attempt) % len(ready)]))
            except OSError:
                continue
            await self._forward(ConnectionEnd(reader, writer), ConnectionEnd(*upstream))
            return
        self.refused_count += 1
        writer.close()

    def _find_port(self, instance: str) -> int:
        assert self._stack is not None
        if instance not in self._ports:
            self._ports[instance] = int(self._stack.build_settings(instance)[self._port_setting])
        return self._ports[instance]

    async def _forward(self, client: "ConnectionEnd", server: "ConnectionEnd") -> None:
        await asyncio.gather(client.forward_to(server), server.forward_to(client))
        if client.is_cut_off_by(server):
            self.cut_count += 1


class ConnectionEnd:
    """One end of a forwarded TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._last_sent_at = 0.0
        self._closed_at = float("inf")

    async def forward_to(self, other: "ConnectionEnd") -> None:
        """Forward everything that this end sends, until either end closes."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while data := await self._reader.read(64 * 1024):
                self._last_sent_at = loop.time()
                other._writer.write(data)
                await other._writer.drain()
        self._closed_at = loop.time()
        with suppress(OSError):
            other._writer.close()

    def is_cut_off_by(self, other: "ConnectionEnd") -> bool:
        """Return whether the `other` end closed first, without an answer to what this end sent last."""
        return self._last_sent_at > other._last_sent_at and other._closed_at < self._closed_at


@contextmanager
def run_stack_behind_load_balancers() -> Iterator[tuple[World, dict[str, list[LoadBalancer]]]]:
    """Run a stack whose webhooks, readers and internal calls go through load balancers, as with several instances.

    Yields it with the balancers of each service that has some.
    """
    with ExitStack() as exit_stack:
        folder = exit_stack.enter_context(TemporaryDirectory(prefix="merchant-sync-"))
        ports = ("GATEWAY_PORT", GATEWAY), ("GATEWAY_INTERNAL_PORT", GATEWAY), ("PORT", SCHEDULER)
        public, internal, scheduler, readers = (
            exit_stack.enter_context(LoadBalancer(setting, service))
            for setting, service in (*ports, ("DATA_API_PORT", DATA_API))
        )
        settings = {
            **SETTINGS,
            **{f"{slug.upper()}_WEBHOOK_ADDRESS": f"{public.url}/{slug}/webhook" for slug in PLATFORMS},
            "GATEWAY_INTERNAL_URL": internal.url,
            "SCHEDULER_URL": scheduler.url,
        }
        stack = Stack(Path(folder) / "data", given=settings, auto_restart=False, cache_dir=CACHED_JARS)
        for balancer in (public, internal, scheduler, readers):
            balancer.attach_stack(stack)
        exit_stack.enter_context(stack)
        world = exit_stack.enter_context(World(stack))
        yield world, {GATEWAY: [public, internal], SCHEDULER: [scheduler], DATA_API: [readers]}
