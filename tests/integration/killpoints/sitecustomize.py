"""Kill points, put into a service's process from outside: Python imports this module by itself at every start.

A test arms a point by writing `<effect> <before|after>` into the file `$KILL_POINTS/<service>`; the next time the
service is about to have that effect, or has just had it, the process kills itself as a power cut would. The product
knows nothing of this.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVICES = {"gateway.app", "scheduler.app", "spaces_writer.app", "shopify_fetcher.app", "facebook_fetcher.app"}


def _service() -> str | None:
    """The service that this process is: the module after `-m`."""
    words = sys.orig_argv
    named = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    return named.removesuffix(".app").replace("_", "-") if named in SERVICES else None


def _die_if_armed(armed: Path, point: str) -> None:
    try:
        if armed.read_text().strip() != point:
            return
    except FileNotFoundError:
        return
    armed.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def _deadly(function: Callable[..., Any], effect: str, armed: Path) -> Callable[..., Any]:
    async def around(*args: Any, **more: Any) -> Any:
        _die_if_armed(armed, f"{effect} before")
        result = await function(*args, **more)
        _die_if_armed(armed, f"{effect} after")
        return result

    return around


def _install(armed: Path) -> None:
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
        setattr(owner, name, _deadly(getattr(owner, name), effect, armed))
    exit_transaction = sqlalchemy.ext.asyncio.AsyncTransaction.__aexit__
    sqlalchemy.ext.asyncio.AsyncTransaction.__aexit__ = _deadly(exit_transaction, "commit", armed)  # type: ignore[method-assign]


if (service := _service()) and (folder := os.environ.get("KILL_POINTS")):
    _install(Path(folder) / service)
