"""One process: an HTTP application with /health and /ready, served until SIGTERM or Ctrl-C."""

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import NamedTuple

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from messaging.errors import UnavailableError
from service.multiprocess import run_processes

log = structlog.get_logger()
START_AGAIN_SECONDS = 2.0
DRAIN_SECONDS = 2.0
"""How long a process that was asked to end waits for its answers to close its connections."""

LAST_ANSWER = (b"connection", b"close")
"""The header by which an answer says that it is the last on its connection."""

Check = Callable[[], Awaitable[str | None]]
"""Says what is wrong with one part in words, or None when it answers."""


def hide_details(checks: Mapping[str, Check]) -> dict[str, Check]:
    """The same checks for a listener that strangers reach: they hear which part it is, and the log hears what is wrong,
    because a driver's words name hosts and roles."""

    def quiet(name: str, check: Check) -> Check:
        async def checked() -> str | None:
            trouble = await check()
            if trouble is None:
                return None
            log.warning("not ready", part=name, reason=trouble)
            return "does not answer"

        return checked

    return {name: quiet(name, check) for name, check in checks.items()}


class Readiness(BaseModel):
    """Whether a process can do its work: for each part `ok`, or what is wrong."""

    status: str
    parts: dict[str, str]


def add_health_routes(app: FastAPI, checks: Mapping[str, Check]) -> None:
    """Add `/health` (the process runs) and `/ready` (its parts answer; 503 with what is wrong otherwise)."""
    said: dict[int | str, dict[str, object]] = {
        200: {"description": "They do.", "model": Readiness},
        503: {"description": "Not all of them.", "model": Readiness},
    }

    @app.get("/health", tags=["Health"], summary="Whether the process runs")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", tags=["Health"], summary="Whether its parts answer", responses=said)
    async def ready() -> JSONResponse:
        answers = await asyncio.gather(*(check() for check in checks.values()))
        parts = {name: answer or "ok" for name, answer in zip(checks, answers, strict=True)}
        good = all(answer is None for answer in answers)
        readiness = Readiness(status="ok" if good else "not ready", parts=parts)
        return JSONResponse(readiness.model_dump(), 200 if good else 503)


class Endpoint(NamedTuple):
    """An ASGI application on its address; `connections` makes its HTTP connections where uvicorn's own will not do."""

    app: object
    host: str
    port: int
    connections: Callable[..., asyncio.Protocol] | None = None


Running = Callable[[AsyncExitStack], Awaitable[list[Endpoint]]]
"""Enters what the service needs on the stack and gives what is to be served."""


def serve(*running: Running) -> None:
    """Run a service, in a process for each `running`, which share its addresses; what is away at its start is waited
    for.

    Returns when the process was asked to end; what was entered is left in reverse order.
    """
    if len(running) == 1:
        _run(running[0], shared=False)
    else:
        run_processes([partial(_run, one, shared=True) for one in running])


def _run(running: Running, *, shared: bool) -> None:
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(running, shared))


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def _serve(running: Running, shared: bool) -> None:
    """Start and serve; asked to end while it still starts, what was entered is left at once."""
    starting = asyncio.current_task()
    assert starting is not None
    asked: list[int] = []

    def end(number: int) -> None:
        asked.append(number)
        starting.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        await _start_and_serve(running, shared)
    except asyncio.CancelledError:
        if not asked:
            raise


async def _start_and_serve(running: Running, shared: bool) -> None:
    while True:
        async with AsyncExitStack() as stack:
            try:
                served = await running(stack)
            except UnavailableError as away:
                log.warning("cannot start yet", reason=str(away))
            else:
                _settle_memory()
                await _until_asked_to_end(
                    [(_Server(_config(one)), _sockets(one.host, one.port, shared)) for one in served]
                )
                return
        await asyncio.sleep(START_AGAIN_SECONDS)


def _settle_memory() -> None:
    """What is there now stays: leave it out of every later collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _sockets(host: str, port: int, shared: bool) -> list[socket.socket] | None:
    """The address's socket when processes share it: the kernel spreads connections over them."""
    if not shared:
        return None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return [socket.create_server((host, port), family=family, backlog=2048, reuse_port=True)]


class _Server(uvicorn.Server):
    """One of several in a process. Uvicorn's own signal handling would raise the signal once more when it is done,
    which ends the process before anything that was entered is left."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `_until_asked_to_end`."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers close the connections, for uvicorn closes at once those that seem idle: a request that is on its
        way on one of them would be lost. New connections are taken meanwhile, as not everybody may know yet."""
        self.server_state.default_headers = [*self.server_state.default_headers, LAST_ANSWER]
        waited = 0.0
        while self.server_state.connections and waited < DRAIN_SECONDS and not self.force_exit:
            await asyncio.sleep(0.05)
            waited += 0.05
        await super().shutdown(sockets)


async def _until_asked_to_end(servers: list[tuple[_Server, list[socket.socket] | None]]) -> None:
    def end(*, at_once: bool) -> None:
        for server, _ in servers:
            server.force_exit = server.force_exit or (at_once and server.should_exit)
            server.should_exit = True

    loop = asyncio.get_running_loop()
    # Whoever supervises may tell a whole group of processes, and its first tells the others again: that is one asking.
    loop.add_signal_handler(signal.SIGTERM, partial(end, at_once=False))
    loop.add_signal_handler(signal.SIGINT, partial(end, at_once=True))
    await asyncio.gather(*(server.serve(sockets=sockets) for server, sockets in servers))


def _config(served: Endpoint) -> uvicorn.Config:
    return uvicorn.Config(
        served.app,  # type: ignore[arg-type] # any ASGI application
        host=served.host,
        port=served.port,
        http=served.connections or "auto",  # type: ignore[arg-type] # what is called like a protocol's class
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=65,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
    )
