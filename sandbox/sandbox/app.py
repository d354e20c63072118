"""The process of the sandbox: reads the settings, builds every configured platform and serves all on one port."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

import uvicorn
from jinja2 import Environment, PackageLoader, select_autoescape
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.clock_skew import DateHeaderMiddleware
from sandbox.platforms import PLATFORMS, Platform
from sandbox.settings import Settings

_THREADS = 48


def build_app(settings: Settings) -> Starlette:
    """Build the web application of the sandbox, with the routes of all configured platforms.

    When the application starts, it loads the stored state and resumes the delivery of pending webhooks.
    """
    templates = Environment(loader=PackageLoader("sandbox"), autoescape=select_autoescape())
    templates.globals["base"] = settings.base_path
    platforms = [platform for build in PLATFORMS if (platform := build(settings, templates)) is not None]

    @asynccontextmanager
    async def run_platforms(_: Starlette) -> AsyncIterator[None]:
        # A thread blocks while it waits for the lock of its shop; the pool is large so that other shops get threads.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
        async with AsyncExitStack() as exit_stack:
            for platform in platforms:
                await exit_stack.enter_async_context(platform.run())
            yield

    async def show_start_page(_: Request) -> Response:
        cards = [platform.render_card() for platform in platforms]
        return HTMLResponse(templates.get_template("index.html").render(cards=cards))

    routes = [
        Route("/health", _report_health),
        Route("/ready", _report_health),
        Route("/", show_start_page, methods=["GET"]),
        *(route for platform in platforms for route in platform.routes),
    ]
    app = Starlette(routes=routes, lifespan=run_platforms)
    app.add_middleware(DateHeaderMiddleware, get_skew=lambda path: _get_clock_skew(platforms, path))
    return app


async def _report_health(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _get_clock_skew(platforms: Sequence[Platform], path: str) -> float:
    skews = (platform.get_clock_skew(path) for platform in platforms)
    return next((skew for skew in skews if skew is not None), 0.0)


def main() -> None:
    """Serve the sandbox over HTTP until the process is stopped.

    Exit with a message if a required setting is missing, and in production, where only the real platforms may be used.
    """
    if os.environ.get("MERCHANT_SYNC_ENV") == "production":
        sys.exit("sandbox: MERCHANT_SYNC_ENV is production, which has no sandbox")
    try:
        settings = Settings(_secrets_dir=os.environ.get("SETTINGS_DIR"))
    except ValidationError as error:
        problems = (str(p["loc"][0]).upper() if p["loc"] else str(p["ctx"]["error"]) for p in error.errors())
        sys.exit(f"sandbox: set {', '.join(problems)}")
    # Long GraphQL queries run in threads. With a short switch interval they do not hold up webhooks and web pages.
    sys.setswitchinterval(0.001)
    uvicorn.run(
        build_app(settings),
        host=settings.sandbox_host,
        port=settings.sandbox_port,
        date_header=False,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
