"""The service as it is run: on a real broker, with a gateway that gives tokens, killed after a write and restarted."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI

from contracts.events import WriteCompleted
from contracts.topics import get_write_topic, get_written_topic, list_topics
from messaging.brokers import Brokers
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher, OutboundMessage


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@asynccontextmanager
async def serve_tokens(shop: Any) -> AsyncIterator[str]:
    """Give the shop's token to whoever asks; yields the gateway's URL."""
    app = FastAPI()

    @app.post("/internal/tokens")
    async def tokens() -> Any:
        token = shop.tokens.token
        return {"access_token": token.token, "expires_at": None, "epoch": 1, "scopes": sorted(token.scopes)}

    port = _free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
    running = asyncio.create_task(server.serve())
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await running


def start(kafka: str, gateway: str, shop: Any) -> "subprocess.Popen[bytes]":
    """Start the service."""
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "GATEWAY_INTERNAL_URL": gateway,
        "GATEWAY_KEY": "k" * 32,
        "SHOPIFY_SHOP_URL": shop.url + "/shops/{shop}",
        "PORT": str(_free_port()),
    }
    return subprocess.Popen([sys.executable, "-m", "shopify_writer.app"], env=environment)


async def test_a_write_whose_writer_is_killed_before_it_says_so_has_one_effect(kafka: str, shop: Any) -> None:
    await create_missing_topics(Brokers(kafka), list_topics(("shopify",), ("shopify",)))
    consumer = AIOKafkaConsumer(get_written_topic("shopify"), bootstrap_servers=kafka)
    await consumer.start()
    product = shop.make_product()
    request = shop.request(product["gid"], {"title": "Cup"}, {"title": "Mug"})
    shop.set_faults(lost_answers=1, lost_answer_seconds=8)
    async with serve_tokens(shop) as gateway, EventPublisher(Brokers(kafka), source="tests") as publisher:
        process = start(kafka, gateway, shop)
        try:
            message = OutboundMessage(get_write_topic("shopify"), request.connection, request, str(request.write_id))
            await publisher.send(message)
            async with asyncio.timeout(60):
                while shop.count_writes() != {"productUpdate": 1}:
                    await asyncio.sleep(0.1)
            process.kill()
            process.wait()
            process = start(kafka, gateway, shop)
            async with asyncio.timeout(60):
                result = WriteCompleted.model_validate_json((await consumer.getone()).value)
        finally:
            process.kill()
            process.wait()
            await consumer.stop()
    assert (result.write_id, result.outcome, result.values) == (request.write_id, "unchanged", {"title": "Cup"})
    assert shop.count_writes() == {"productUpdate": 1}
