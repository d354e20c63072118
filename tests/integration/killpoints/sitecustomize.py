"""Kill points for the services of a test. Python imports a module of this name at the start of every process.

A test arms a kill point by writing `<effect> <before|after>` into the file `$KILL_POINTS/<service>`. The next time that
the service is about to have this effect, or has just had it, the process kills itself with SIGKILL, like a power cut.
The product itself has no code for kill points.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVICES = {"gateway.app", "scheduler.app", "spaces_writer.app", "shopify_fetcher.app", "facebook_fetcher.app"}


def _find_service() -> str | None:
    """Return the service that this process runs, from the module after `-m`; None for any other process."""
    words = sys.orig_argv
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    return module.removesuffix(".app").replace("_", "-") if module in SERVICES else None


def _die_if_armed(arm_file: Path, point: str) -> None:
    try:
        if arm_file.read_text().strip() != point:
            return
    except FileNotFoundError:
        return
    arm_file.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def _add_kill_points(function: Callable[..., Any], effect: str, arm_file: Path) -> Callable[..., Any]:
    async def call_between_kill_points(*args: Any, **kwargs: Any) -> Any:
        _die_if_armed(arm_file, f"{effect} before")
        result = await function(*args, **kwargs)
        _die_if_armed(arm_file, f"{effect} after")
        return result

    return call_between_kill_points


def _install(arm_file: Path) -> None:
    import aiobotocore.client
    import aiokafka
    import httpx
    import sqlalchemy.ext.asyncio

    effects = [
        (aiokafka.AIOKafkaProducer, "send", "publish"),
        (aiokafka.AIOKafkaProducer, "send_batch", "publish"),
        (aiokafka.AIOKafkaConsumer, "commit", "offsets"),
        (sqlalchemy.ext.asyncio.AsyncTransaction, "commit", "commit"),
        (httpx.AsyncClient, "send", "call"),
        (aiobotocore.client.AioBaseClient, "_make_api_call", "bucket"),
    ]
    for owner, name, effect in effects:
        setattr(owner, name, _add_kill_points(getattr(owner, name), effect, arm_file))
    exit_transaction = sqlalchemy.ext.asyncio.AsyncTransaction.__aexit__
    sqlalchemy.ext.asyncio.AsyncTransaction.__aexit__ = _add_kill_points(  # type: ignore[method-assign]
        exit_transaction, "commit", arm_file
    )


if (service := _find_service()) and (folder := os.environ.get("KILL_POINTS")):
    _install(Path(folder) / service)
