"""What makes and delivers webhooks, on a real Postgres, with a clock that tests move."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import httpx

from api_builders import KEY, NOW_MS, make_connection, make_key, make_keys
from data_api.asgi.access_log import AccessLog
from data_api.asgi.cors import Cors
from data_api.asgi.dispatcher import OperationDispatcher
from data_api.client.receivers import ReceiverClient
from data_api.routes.v1.endpoints import build_endpoint_operations
from data_api.store.endpoints import DeliveryStore, EndpointStore
from data_api.store.own_database import OwnDatabase
from data_api.use_cases.webhooks.delivery import WebhookDeliverer
from data_api.use_cases.webhooks.owners import EndpointOwners
from data_api.use_cases.webhooks.secrets import EndpointSecrets
from data_api.use_cases.webhooks.sender import MessageSender
from data_api.use_cases.webhooks.service import EndpointService
from host_names import Names
from platform_sdk.public_addresses import AddressRules
from service.encryption import ContextCipher
from stream_server import serve_application
from v1_server import V1

MANAGE = ("read", "refresh", "manage")


def make_secrets(*keys: str) -> EndpointSecrets:
    """Make what encrypts with the first of these keys, and decrypts with all."""
    return EndpointSecrets(ContextCipher({key: key.encode() * 16 for key in keys}))


class DeliveryProcess:
    """One process that delivers, with other parts than the world's if they are given."""

    def __init__(
        self, world: "WebhookWorld", *, owners: EndpointOwners | None = None, sender: MessageSender | None = None
    ) -> None:
        self.owners = owners or EndpointOwners(world.endpoints, world.v1.access, world.get_time)
        self.deliverer = WebhookDeliverer(
            world.endpoints,
            DeliveryStore(world.database),
            self.owners,
            world.v1.databases,
            world.v1.state,
            sender or world.sender,
            now=world.get_time,
            count=world.results.append,
        )

    async def step(self) -> None:
        """Visit whatever is due, to the end."""
        await self.deliverer.begin_visits()
        await self.deliverer.wait_for_visits()


class WebhookWorld:
    """A data API whose endpoints may be at loopback."""

    def __init__(self, v1: V1, database: OwnDatabase, *, networks: Sequence[str] = ("127.0.0.0/8",)) -> None:
        self.v1 = v1
        self.feed = v1.feed
        self.database = database
        self.time = datetime.fromtimestamp(NOW_MS / 1000, UTC)
        self.names = Names()
        self.results: list[str] = []
        rules = AddressRules(ip_network(network) for network in networks)
        self.receivers = ReceiverClient(rules, self.names.resolve, self.names.resolve, ssl.create_default_context())
        self.sender = MessageSender(self.receivers, make_secrets("k1"), self.get_time)
        self.endpoints = EndpointStore(database)
        v1.state.apply_keys(make_keys(make_key(scopes=MANAGE), revision=2))
        self.revision = 2
        service = EndpointService(
            v1.reads, self.endpoints, self.receivers, self.sender, make_secrets("k1"), v1.limits, self.get_time
        )
        self.application = OperationDispatcher(
            build_endpoint_operations(service, v1.access),
            v1.access,
            v1.limits,
            Cors(()),
            access_log=AccessLog("data-api", lambda _: None),
            count_request=lambda *_: None,
            on_use=lambda _: None,
        )
        self.port = 0
        self.process = DeliveryProcess(self)

    def get_time(self) -> datetime:
        """The time of this world."""
        return self.time

    def pass_time(self, **units: float) -> None:
        """Move the clock on."""
        self.time += timedelta(**units)

    async def request(self, method: str, path: str = "", *, key: str = KEY, **options: Any) -> httpx.Response:
        """Send a request to a path below `/v1/endpoints`."""
        address = f"http://127.0.0.1:{self.port}/v1/endpoints{path}"
        return await self.v1.http.request(method, address, headers={"X-API-Key": key}, timeout=30, **options)

    async def make(self, url: str, **options: Any) -> Any:
        """Make an endpoint, and return the answer's document."""
        response = await self.request("POST", json={"url": url, **options})
        assert response.status_code == 201, response.text
        return response.json()

    async def load(self, endpoint: Any) -> Any:
        """Return an endpoint's document as it is now."""
        response = await self.request("GET", f"/{endpoint['id']}")
        assert response.status_code == 200, response.text
        return response.json()

    async def list_deliveries(self, endpoint: Any, **query: Any) -> Any:
        """Return the messages to an endpoint, the oldest first."""
        response = await self.request("GET", f"/{endpoint['id']}/deliveries", params=query)
        assert response.status_code == 200, response.text
        return response.json()["deliveries"][::-1]

    async def step(self, **passed: float) -> None:
        """Let time pass (a second, if nothing is said), and visit whatever is due."""
        self.pass_time(**(passed or {"seconds": 1}))
        await self.process.step()

    async def write(self, record: str, **body: Any) -> None:
        """Change a record, and tell the process so, as Kafka does."""
        await self.feed.write(record, body)
        await self.v1.notice()

    def change_keys(self, *keys: Any) -> None:
        """Replace the keys of the connection, as `key.changed` does."""
        self.revision += 1
        self.v1.state.apply_keys(make_keys(*keys, revision=self.revision))

    def change_connection(self, **fields: Any) -> None:
        """Change the connection, as `connection.changed` does."""
        self.revision += 1
        self.v1.state.apply_connection(make_connection(revision=self.revision, **fields))


@asynccontextmanager
async def open_webhooks(v1: V1, url: str, **options: Any) -> AsyncIterator[WebhookWorld]:
    """Serve the operations of endpoints, with a schema of its own."""
    schema = f"data_api_{uuid4().hex[:8]}"
    database = OwnDatabase(url, schema)
    world = WebhookWorld(v1, database, **options)
    async with serve_application(world.application) as world.port:
        yield world
        await world.process.deliverer.close()
    await world.receivers.close()
    await database.close()
    await v1.feed.db.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
