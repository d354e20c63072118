"""The baseline for the webhook route: FastAPI and FastStream used as their documentation shows.

The signature is checked in a dependency, the payload is a pydantic model, and the response is sent after FastStream's
broker has published the event with `acks=all`. It does not do what else the gateway does: check that the shop is
connected, accept a second secret, limit the size, keep a deadline. It writes no access log.
"""

import base64
import hashlib
import hmac
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

from contracts.events import SyncRequested

SECRET = os.environ.get("SHOPIFY_API_SECRET", "")
TOPIC = "sync.requested.shopify"

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
log = logging.getLogger("webhooks")
logging.getLogger("aiokafka").setLevel(logging.WARNING)
broker = KafkaBroker(os.environ.get("KAFKA_BOOTSTRAP_SERVERS", ""), acks="all", enable_idempotence=True)


class VariantPayload(BaseModel):
    """The fields of a variant that the route reads."""

    id: int
    title: str
    price: str
    sku: str | None = None
    inventory_item_id: int
    inventory_quantity: int | None = None


class ProductPayload(BaseModel):
    """The payload of products/update."""

    id: int
    admin_graphql_api_id: str
    title: str
    handle: str
    status: str
    updated_at: str
    variants: list[VariantPayload]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Connect the broker while the application runs."""
    await broker.connect()
    yield
    await broker.stop()


app = FastAPI(lifespan=lifespan)


async def read_verified_body(request: Request, x_shopify_hmac_sha256: Annotated[str, Header()]) -> bytes:
    """Return the raw body; answer 401 when its signature is wrong."""
    body = await request.body()
    expected = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest(expected, x_shopify_hmac_sha256):
        raise HTTPException(401, "signature")
    return body


@app.post("/shopify/webhook")
async def receive_webhook(
    body: Annotated[bytes, Depends(read_verified_body)],
    x_shopify_topic: Annotated[str, Header()],
    x_shopify_shop_domain: Annotated[str, Header()],
    x_shopify_webhook_id: Annotated[str, Header()],
) -> dict[str, Any]:
    """Publish a sync request for the product, then answer 200."""
    product = ProductPayload.model_validate_json(body)
    connection = f"shopify:{x_shopify_shop_domain}"
    event = SyncRequested(
        sync_id=uuid5(NAMESPACE_URL, x_shopify_webhook_id),
        connection=connection,
        epoch=1,
        cause="webhook",
        records={"products": (product.admin_graphql_api_id,)},
        requested_at=int(time.time() * 1000),
        topic=x_shopify_topic,
    )
    await broker.publish(event, TOPIC, key=connection.encode())
    log.info("delivery received topic=%s shop=%s id=%s", x_shopify_topic, x_shopify_shop_domain, x_shopify_webhook_id)
    return {"status": "success"}


@app.get("/health")
async def report_health() -> dict[str, str]:
    """Answer that the process runs."""
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False)
