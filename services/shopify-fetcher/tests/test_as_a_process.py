"""The service as it is run: on a real broker, with a gateway that gives tokens, killed and started again."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI, Response

from contracts.events import (
    FETCHED_ADAPTER,
    FullReadCompleted,
    FullSyncStepRequested,
    IncrementalReadCompleted,
    RecordsPage,
    SyncProgressed,
    SyncRequested,
)
from contracts.topics import (
    get_fetched_topic,
    get_full_fetched_topic,
    get_full_sync_topic,
    get_progress_topic,
    get_sync_topic,
    list_topics,
)
from messaging.brokers import Brokers
from messaging.provisioning import create_missing_topics
from messaging.publisher import EventPublisher, OutboundMessage

SHOP = "process.myshopify.com"
CONNECTION = f"shopify:{SHOP}"
SCOPES = ["read_products", "read_inventory", "read_locations", "read_discounts"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass
class Gateway:
    """Gives one token to whoever has the key; `away` answers 503."""

    token: str
    url: str = ""
    away: bool = False
    requests: list[Any] = field(default_factory=list)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve while the context lasts."""
        app = FastAPI()

        @app.post("/internal/tokens")
        async def tokens(body: dict[str, Any]) -> Any:
            self.requests.append(body)
            if self.away:
                return Response(status_code=503)
            return {"access_token": self.token, "expires_at": None, "epoch": 1, "scopes": SCOPES}

        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
        running = asyncio.create_task(server.serve())
        yield
        server.should_exit = True
        await running


@dataclass
class Bench:
    """The service's surroundings, and the service as a process."""

    kafka: str
    sandbox: Any
    gateway: Gateway
    publisher: EventPublisher
    consumer: Any
    port: int = field(default_factory=_free_port)
    process: "subprocess.Popen[bytes] | None" = None
    events: list[Any] = field(default_factory=list)

    def start(self) -> None:
        """Start the service."""
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "GATEWAY_INTERNAL_URL": self.gateway.url,
            "GATEWAY_KEY": "k" * 32,
            "SHOPIFY_SHOP_URL": self.sandbox.url + "/shops/{shop}",
            "PORT": str(self.port),
            "STEP_SECONDS": "0.05",
        }
        self.process = subprocess.Popen([sys.executable, "-m", "shopify_fetcher.app"], env=environment)

    def kill(self) -> None:
        """Kill it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def check_ready(self) -> Any:
        """The parts in `/ready`, once the process, which may do work before that, listens."""
        async with httpx.AsyncClient() as http, asyncio.timeout(30):
            while True:
                with suppress(httpx.ConnectError):
                    return (await http.get(f"http://127.0.0.1:{self.port}/ready")).json()["parts"]
                await asyncio.sleep(0.1)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's control endpoint of the shop."""
        return self.sandbox.http.request(method, f"/control/shops/{SHOP}/{path}", json=body or {}).json()

    async def request(self, topic: str, event: Any) -> None:
        """Publish a request."""
        await self.publisher.send(OutboundMessage(topic, CONNECTION, event, str(uuid4())))

    async def wait_for(self, matches: Any, seconds: float = 60) -> Any:
        """The first event that `matches`."""
        async with asyncio.timeout(seconds):
            while True:
                message = await self.consumer.getone()
                parse = (
                    SyncProgressed.model_validate_json
                    if message.topic == get_progress_topic("shopify")
                    else FETCHED_ADAPTER.validate_json
                )
                event = parse(message.value)
                self.events.append(event)
                if matches(event):
                    return event


@pytest.fixture
async def bench(kafka: str, sandbox: Any) -> AsyncIterator[Bench]:
    await create_missing_topics(Brokers(kafka), list_topics(("shopify",)))
    sandbox.make(SHOP, products=600, variants=3, collections=5, discounts=8, plan="enterprise")
    gateway = Gateway(sandbox.install(SHOP))
    consumer = AIOKafkaConsumer(
        get_fetched_topic("shopify"),
        get_full_fetched_topic("shopify"),
        get_progress_topic("shopify"),
        bootstrap_servers=kafka,
        max_partition_fetch_bytes=2**25,
    )
    await consumer.start()
    async with gateway.serve(), EventPublisher(Brokers(kafka), source="tests") as publisher:
        bench = Bench(kafka, sandbox, gateway, publisher, consumer)
        try:
            yield bench
        finally:
            bench.kill()
            await consumer.stop()


def build_request(*gids: str) -> SyncRequested:
    return SyncRequested(
        sync_id=uuid4(), connection=CONNECTION, epoch=1, cause="webhook", records={"products": gids}, requested_at=0
    )


async def test_requests_and_full_syncs_are_handled_and_a_killed_step_comes_again(
    bench: Bench, build_document: Any
) -> None:
    bench.gateway.away = True
    bench.start()
    request = build_request("gid://shopify/Product/404")
    await bench.request(get_sync_topic("shopify"), request)
    async with asyncio.timeout(60):
        while not bench.gateway.requests:
            await asyncio.sleep(0.1)
    bench.gateway.away = False
    completed = await bench.wait_for(lambda event: isinstance(event, IncrementalReadCompleted))
    assert completed.sync_ids == (request.sync_id,), "while the gateway was away, the request was held"

    sync_id, cursor, number, last = uuid4(), None, 0, None
    while last is None or last.outcome == "advanced":
        step = FullSyncStepRequested(
            sync_id=sync_id,
            connection=CONNECTION,
            epoch=1,
            cause="connect",
            step=number,
            cursor=cursor,
            requested_at=0,
        )
        if number == 1:
            bench.control("PUT", "faults", {"hold_after_ids": 0})
        await bench.request(get_full_sync_topic("shopify"), step)
        if number == 1:
            async with asyncio.timeout(60):
                while not bench.control("GET", "statistics")["held_calls"]:
                    await asyncio.sleep(0.05)
            bench.kill()
            bench.control("PUT", "faults", {})
            bench.start()
        last = await bench.wait_for(lambda event, n=number: isinstance(event, SyncProgressed) and event.step == n)
        cursor, number = last.cursor, number + 1
    assert last.outcome == "completed", last.reason
    assert number > 2
    if not any(isinstance(event, FullReadCompleted) for event in bench.events):
        await bench.wait_for(lambda event: isinstance(event, FullReadCompleted))
    records = [r for e in bench.events if isinstance(e, RecordsPage) and e.read_id == sync_id for r in e.records]
    assert build_document(records) == bench.sandbox.http.get(f"/control/shops/{SHOP}/document").content
    assert await bench.check_ready() == {"kafka": "ok", "gateway": "ok"}
