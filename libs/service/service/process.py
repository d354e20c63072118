"""Runs a service: HTTP applications with /health and /ready, served until SIGTERM or SIGINT."""

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
RESTART_SECONDS = 2.0
"""The pause before another attempt to start while something is unavailable."""
DRAIN_SECONDS = 2.0
"""How long a stopping process waits until its clients have closed their connections after a last response."""

LAST_ANSWER = (b"connection", b"close")
"""The header of the last response on a connection."""

Check = Callable[[], Awaitable[str | None]]
"""Returns what is wrong with one dependency or part of the service, or None."""


def hide_details(checks: Mapping[str, Check]) -> dict[str, Check]:
    """Return the same checks for a public listener. Their reason is logged and not returned.

    The errors of a database driver, for example, name hosts and roles.
    """

    def hide_reason(name: str, check: Check) -> Check:
        async def check_quietly() -> str | None:
            reason = await check()
            if reason is None:
                return None
            log.warning("not ready", part=name, reason=reason)
            return "does not answer"

        return check_quietly

    return {name: hide_reason(name, check) for name, check in checks.items()}


class Readiness(BaseModel):
    """Whether a process can do its work. `parts` has `ok` or the reason for each part."""

    status: str
    parts: dict[str, str]


def add_health_routes(app: FastAPI, checks: Mapping[str, Check]) -> None:
    """Add `/health` (the process runs) and `/ready` (all checks pass; otherwise 503 with the reasons)."""
    responses: dict[int | str, dict[str, object]] = {
        200: {"description": "They do.", "model": Readiness},
        503: {"description": "Not all of them.", "model": Readiness},
    }

    @app.get("/health", tags=["Health"], summary="Whether the process runs")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", tags=["Health"], summary="Whether its parts answer", responses=responses)
    async def ready() -> JSONResponse:
        errors = await asyncio.gather(*(check() for check in checks.values()))
        parts = {name: error or "ok" for name, error in zip(checks, errors, strict=True)}
        is_ready = all(error is None for error in errors)
        readiness = Readiness(status="ok" if is_ready else "not ready", parts=parts)
        return JSONResponse(readiness.model_dump(), 200 if is_ready else 503)


class Endpoint(NamedTuple):
    """An ASGI application and its address. `connections` creates the protocol of a connection instead of uvicorn's."""

    app: object
    host: str
    port: int
    connections: Callable[..., asyncio.Protocol] | None = None


StartService = Callable[[AsyncExitStack], Awaitable[list[Endpoint]]]
"""Enters all that the service needs on the stack and returns what is to be served."""


def serve(*starts: StartService) -> None:
    """Run a service, with one process for each of `starts`. The processes share the service's addresses.

    A start that raises `UnavailableError` is repeated until it succeeds. Returns when the process was asked to stop;
    what was entered on the stack is left in reverse order.
    """
    if len(starts) == 1:
        _run(starts[0], share_addresses=False)
    else:
        run_processes([partial(_run, start, share_addresses=True) for start in starts])


def _run(start: StartService, *, share_addresses: bool) -> None:
    with asyncio.Runner(loop_factory=_create_loop) as runner:
        runner.run(_serve(start, share_addresses))


def _create_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def _serve(start: StartService, share_addresses: bool) -> None:
    """Start and serve. A stop signal during the start cancels it and leaves what was entered."""
    task = asyncio.current_task()
    assert task is not None
    signals: list[int] = []

    def cancel_start(number: int) -> None:
        signals.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, cancel_start, number)
    try:
        await _start_and_serve(start, share_addresses)
    except asyncio.CancelledError:
        if not signals:
            raise


async def _start_and_serve(start: StartService, share_addresses: bool) -> None:
    while True:
        async with AsyncExitStack() as stack:
            try:
                endpoints = await start(stack)
            except UnavailableError as error:
                log.warning("start postponed", reason=str(error))
            else:
                _freeze_memory()
                await _serve_endpoints(endpoints, share_addresses)
                return
        await asyncio.sleep(RESTART_SECONDS)


def _freeze_memory() -> None:
    """Exclude the objects of the start from garbage collection, because they stay, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _open_shared_socket(host: str, port: int) -> socket.socket:
    """Open a socket that several processes open for one address; the kernel spreads connections over them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048, reuse_port=True)


class _Server(uvicorn.Server):
    """One of several servers in a process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `_serve_endpoints`."""
        # Uvicorn's handling raises the signal again when it is done, which would end the process before the exit stack
        # is left.
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let responses close the connections, then shut down. New connections are accepted meanwhile."""
        # Uvicorn closes idle connections at once. A request that is under way on one of them would be lost.
        self.server_state.default_headers = [*self.server_state.default_headers, LAST_ANSWER]
        waited = 0.0
        while self.server_state.connections and waited < DRAIN_SECONDS and not self.force_exit:
            await asyncio.sleep(0.05)
            waited += 0.05
        await super().shutdown(sockets)


async def _serve_endpoints(endpoints: list[Endpoint], share_addresses: bool) -> None:
    """Serve until SIGTERM or SIGINT. A second SIGINT closes all connections at once."""
    servers = [_Server(_build_config(endpoint)) for endpoint in endpoints]

    def stop(*, force: bool) -> None:
        for server in servers:
            server.force_exit = server.force_exit or (force and server.should_exit)
            server.should_exit = True

    loop = asyncio.get_running_loop()
    # A second SIGTERM does not force: a supervisor may send one to the whole process group, and the parent process
    # passes it on.
    loop.add_signal_handler(signal.SIGTERM, partial(stop, force=False))
    loop.add_signal_handler(signal.SIGINT, partial(stop, force=True))
    sockets = [[_open_shared_socket(e.host, e.port)] if share_addresses else None for e in endpoints]
    await asyncio.gather(*(server.serve(sockets=own) for server, own in zip(servers, sockets, strict=True)))


def _build_config(endpoint: Endpoint) -> uvicorn.Config:
    return uvicorn.Config(
        endpoint.app,  # type: ignore[arg-type] # any ASGI application
        host=endpoint.host,
        port=endpoint.port,
        http=endpoint.connections or "auto",  # type: ignore[arg-type] # a factory of protocols
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=65,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
    )
