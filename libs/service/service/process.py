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
"""The pause before the next attempt to start after an UnavailableError."""
DRAIN_SECONDS = 2.0
"""How long a stopping server waits for its clients to close their connections."""

LAST_ANSWER = (b"connection", b"close")
"""The header by which a stopping server asks clients to close their connections after the response."""

Check = Callable[[], Awaitable[str | None]]
"""A function that returns why one part or dependency of the service is not ready; None when it is ready."""


def hide_check_reasons(checks: Mapping[str, Check]) -> dict[str, Check]:
    """Return `checks` with a fixed text in place of each reason for which a part of the service is not ready.

    The returned checks are for `/ready` on a public port. The reasons are logged instead. They may
    contain internal names; errors of a database driver, for example, contain hosts and roles.
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
    """Whether a process can do its work. `parts` has `ok` or the reason why not, by name of the part."""

    status: str
    parts: dict[str, str]


def add_health_routes(app: FastAPI, checks: Mapping[str, Check]) -> None:
    """Add the routes `/health`, which always returns 200, and `/ready`, which runs the `checks` of the parts by name.

    `/ready` returns 200 when all checks pass, otherwise 503 with the reasons.
    """
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
    """An ASGI application and the host and port on which it listens.

    `connections` is a factory of the asyncio protocol for each network connection; None for uvicorn's own protocol.
    `certificate` are the files of a certificate and its key for TLS; None serves without TLS. `end_streams` is called
    when the process begins to stop: it ends the responses that would otherwise stay open.
    """

    app: object
    host: str
    port: int
    connections: Callable[..., asyncio.Protocol] | None = None
    certificate: tuple[str, str] | None = None
    end_streams: Callable[[], Awaitable[None]] | None = None


StartService = Callable[[AsyncExitStack], Awaitable[list[Endpoint]]]
"""A function that starts the service: enters its resources on the exit stack and returns the endpoints to serve."""


def serve(*starts: StartService) -> None:
    """Run a service until SIGTERM or SIGINT, with one process for each of `starts`.

    Several processes listen on the same ports. A start that raises `UnavailableError` is repeated until it succeeds.
    Each start enters the resources of its process (such as connections) on an exit stack. When the service stops, the
    exit stack is closed, which releases them in reverse order.
    """
    if len(starts) == 1:
        _run_service(starts[0], share_addresses=False)
    else:
        run_processes([partial(_run_service, start, share_addresses=True) for start in starts])


def _run_service(start: StartService, *, share_addresses: bool) -> None:
    with asyncio.Runner(loop_factory=_create_loop) as runner:
        runner.run(_serve_until_stopped(start, share_addresses))


def _create_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def _serve_until_stopped(start: StartService, share_addresses: bool) -> None:
    """Start the service with `start`, and serve until SIGTERM or SIGINT.

    Such a signal during the start cancels the start and closes its exit stack, which releases its resources. If
    `share_addresses` is True, other processes listen on the same ports.
    """
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
        async with AsyncExitStack() as exit_stack:
            try:
                endpoints = await start(exit_stack)
            except UnavailableError as error:
                log.warning("start postponed", reason=str(error))
            else:
                _freeze_memory()
                await _serve_endpoints(endpoints, share_addresses)
                return
        await asyncio.sleep(RESTART_SECONDS)


def _freeze_memory() -> None:
    """Exclude all existing objects from garbage collection, because they are long-lived, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _open_shared_socket(host: str, port: int) -> socket.socket:
    """Open a listening socket with SO_REUSEPORT. The kernel distributes connections over all processes that open it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048, reuse_port=True)


class _Server(uvicorn.Server):
    """A uvicorn server that can share a process with others."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(_build_uvicorn_config(endpoint))
        self._end_streams = endpoint.end_streams

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals: `_serve_endpoints` handles them for all servers of the process."""
        # Uvicorn's handling raises the signal again when it is done, which would end the process before the exit stack
        # is left.
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, wait up to DRAIN_SECONDS for clients to close their connections, then shut down.

        New connections are accepted during this wait.
        """
        if self._end_streams is not None:
            await self._end_streams()
        # Uvicorn closes idle connections at once. A request that is under way on one of them would be lost.
        self.server_state.default_headers = [*self.server_state.default_headers, LAST_ANSWER]
        waited = 0.0
        while self.server_state.connections and waited < DRAIN_SECONDS and not self.force_exit:
            await asyncio.sleep(0.05)
            waited += 0.05
        await super().shutdown(sockets)


async def _serve_endpoints(endpoints: list[Endpoint], share_addresses: bool) -> None:
    """Serve `endpoints` until SIGTERM or SIGINT. A second SIGINT closes all connections without waiting for responses.

    If `share_addresses` is True, other processes listen on the same ports.
    """
    servers = [_Server(endpoint) for endpoint in endpoints]

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


def _build_uvicorn_config(endpoint: Endpoint) -> uvicorn.Config:
    cert_file, key_file = endpoint.certificate or (None, None)
    return uvicorn.Config(
        endpoint.app,  # type: ignore[arg-type] # any ASGI application
        host=endpoint.host,
        port=endpoint.port,
        http=endpoint.connections or "auto",  # type: ignore[arg-type] # a factory of protocols
        ssl_certfile=cert_file,
        ssl_keyfile=key_file,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=65,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
    )
