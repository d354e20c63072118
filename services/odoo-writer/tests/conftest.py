"""A database of the simulated Odoo, with a handler that writes to it as a linker would request."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.events import WriteCompleted, WriteRequested
from destination.handler import WriteHandler
from messaging.publisher import OutboundMessage
from odoo_worlds import SimulatedWorld, open_simulated
from odoo_writer.destination import OdooDestination
from platform_sdk.errors import ConnectionEndedError
from platform_sdk.session import SyncContext
from platform_sdk.tokens import AccessToken
from platforms.odoo.reading import ALL
from platforms.odoo.session import OdooSession
from sandbox.odoo.authentication import KEYS
from sandbox.odoo.faults import Faults, ServerSetup
from sandbox.odoo.sample_catalog import DatabaseRecipe

CONNECTION = "odoo:odoo.test/shop"


@dataclass
class KeptResults:
    """Keeps what came of writes, in order."""

    results: list[WriteCompleted] = field(default_factory=list)

    async def send_all(self, messages: Iterable[OutboundMessage]) -> None:
        self.results += [message.event for message in messages if isinstance(message.event, WriteCompleted)]


@dataclass
class OneToken:
    """Gives the token of the database. A refused one ends the connection, as the gateway would decide."""

    token: AccessToken

    async def get_token(self, connection: str, epoch: int, *, fresh: bool = False) -> AccessToken:
        return self.token

    async def replace_rejected_token(self, token: AccessToken) -> AccessToken:
        raise ConnectionEndedError("reauthorise")


class Shelf:
    """A database with products, and a writer to it."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world
        self.published = KeptResults()
        self.tokens = OneToken(AccessToken(CONNECTION, 1, world.build_token()))
        self.handler = WriteHandler(
            OdooDestination(self._open_session),
            self.tokens,  # type: ignore[arg-type]
            self.published,  # type: ignore[arg-type]
            record_result=lambda _: None,
        )

    def _open_session(self, context: SyncContext) -> OdooSession:
        session = self.world.open_session(context)
        assert isinstance(session, OdooSession)
        return session

    async def make(self, name: str = "Lamp", **values: Any) -> tuple[str, str]:
        """Make a product with one variant; return the ids of both."""
        number = await self.world.create("product.template", name=name, sale_ok=True, **values)
        domain = [("product_tmpl_id", "=", number)]
        (variant,) = [
            row["id"] for row in await self.world.client.search_read("product.product", domain, ["id"], context=ALL)
        ]
        return str(number), str(variant)

    async def make_sizes(self, *sizes: str, **values: Any) -> tuple[str, dict[str, str]]:
        """Make a product with a variant for each size; return its id, and the variants' by size."""
        attribute = await self.world.create("product.attribute", name="Size")
        ids = [
            await self.world.create("product.attribute.value", name=size, attribute_id=attribute) for size in sizes
        ]
        line = [0, 0, {"attribute_id": attribute, "value_ids": [[6, 0, ids]]}]
        number = await self.world.create("product.template", name="Shirt", attribute_line_ids=[line], **values)
        variants = await self.world.find("product.product", ("product_tmpl_id", "=", number))
        return str(number), dict(zip(sizes, map(str, variants), strict=True))

    async def show(self, model: str, number: str, *fields: str) -> dict[str, Any]:
        """Return fields of a record as they are now."""
        domain = [("id", "=", int(number))]
        (row,) = await self.world.client.search_read(model, domain, fields, context={"active_test": False})
        return {name: row[name] for name in fields}

    def request(self, record: str | None, fields: Any = None, expected: Any = None, **more: Any) -> WriteRequested:
        """Return a request to update a product, or with `product` a variant of it."""
        more.setdefault("operation", "update")
        more.setdefault("resource", "variants" if "product" in more else "products")
        more.setdefault("currency", "EUR")
        return WriteRequested(
            write_id=more.pop("write_id", uuid4()),
            link_id=UUID(int=1),
            connection=CONNECTION,
            epoch=1,
            record=record,
            fields=fields or {},
            expected=expected or {},
            requested_at=0,
            **more,
        )

    async def write(self, *requests: WriteRequested) -> list[WriteCompleted]:
        """Have it written; return what came of each request, in the order of the requests."""
        began = len(self.published.results)
        await self.handler(CONNECTION, list(requests))
        by_id = {one.write_id: one for one in self.published.results[began:]}
        assert len(self.published.results) - began == len(by_id) == len(requests)
        return [by_id[request.write_id] for request in requests]

    def count_calls(self) -> dict[str, int]:
        """Return how many calls have changed something, by model and method."""
        calls = self.world.state.statistics.calls
        return {name: count for name, count in calls.items() if name.rpartition(".")[2] in ("write", "create", "load")}

    def forget_calls(self) -> None:
        self.world.state.statistics.calls.clear()

    def remove_keys(self) -> None:
        """Remove all keys, as their users would."""
        self.world.state.run("shop", 1, lambda env: env.delete(KEYS, env.search(KEYS, [])))

    def set_faults(self, **faults: Any) -> None:
        self.world.state.set_faults(Faults(**faults))


@pytest.fixture
async def open_shelf(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Open a database of a server that is set up so: `open_shelf(version=18, apps=[…])`."""
    async with AsyncExitStack() as exit_stack:

        async def open_one(**setup: Any) -> Shelf:
            recipe = DatabaseRecipe(name="shop", products=0)
            world = await exit_stack.enter_async_context(open_simulated(tmp_path, ServerSetup(**setup), recipe))
            return Shelf(world)

        yield open_one


@pytest.fixture
async def shelf(open_shelf: Any) -> Any:
    """A database of Odoo 18."""
    return await open_shelf()
