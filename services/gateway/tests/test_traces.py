"""Each delivery starts its own trace at the gateway; a trace header from outside is ignored."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.webhooks.asgi import WebhookMiddleware
from gateway.webhooks.tracing import trace_handler, trace_publish
from messaging import tracing
from otlp_receiver import run_receiver
from platform_sdk.adapters import PlatformAdapter

FOREIGN = f"00-{'a' * 32}-{'b' * 16}-01"


def create_traced_client(route: Any) -> httpx.AsyncClient:
    """Creates a client of the route with tracing, as it is composed where traces are exported."""
    route.handler._publish = trace_publish(route.kafka.publish)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(WebhookMiddleware(None, [trace_handler(route.handler)])),
        base_url="http://gateway.test",
    )


async def test_each_delivery_starts_its_own_trace_and_its_message_carries_it(
    shopify: PlatformAdapter, make_route: Any
) -> None:
    route = make_route(shopify)
    with run_receiver() as receiver, tracing.export_traces("gateway", receiver.url):
        route.client = create_traced_client(route)
        responses = [await route.deliver(traceparent=FOREIGN) for _ in range(2)]
    route.handler._log.flush()  # later, another test would find its lines
    assert [response.status_code for response in responses] == [200, 200]
    posts = [span for span in receiver.spans if span.name == "POST /shopify/webhook"]
    sends = {span.trace: span for span in receiver.spans if span.name == "send sync.requested.shopify"}
    assert len({post.trace for post in posts} - {"a" * 32}) == 2
    assert {post.parent for post in posts} == {""}
    assert {post.attributes["http.response.status_code"] for post in posts} == {200}
    message_headers = [dict(headers) for *_, headers in route.kafka.sent]
    for post, headers in zip(posts, message_headers, strict=True):
        send = sends[post.trace]
        assert send.parent == post.id
        assert headers["traceparent"].decode()[:-3] == f"00-{send.trace}-{send.id}"
        assert send.sync_id == headers["ce_id"].decode()


async def test_spans_record_failed_and_refused_deliveries(shopify: PlatformAdapter, make_route: Any) -> None:
    route = make_route(shopify)
    with run_receiver() as receiver, tracing.export_traces("gateway", receiver.url):
        route.client = create_traced_client(route)
        route.kafka.is_unavailable = True
        assert (await route.deliver()).status_code == 503
        assert (await route.deliver(X_Shopify_Hmac_Sha256=b"wrong")).status_code == 401
    route.handler._log.flush()  # later, another test would find its lines
    posts = [span for span in receiver.spans if span.name == "POST /shopify/webhook"]
    assert [post.attributes["http.response.status_code"] for post in posts] == [503, 401]
    (send,) = (span for span in receiver.spans if span.name.startswith("send "))
    assert send.failed
    assert send.attributes["error.type"] == "UnavailableError"


@pytest.mark.parametrize("exported", [True, False])
async def test_the_log_line_of_a_delivery_names_connection_sync_and_trace(
    shopify: PlatformAdapter, make_route: Any, exported: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    route = make_route(shopify)
    with run_receiver() as receiver, tracing.export_traces("gateway", receiver.url if exported else ""):
        route.client = create_traced_client(route)
        await asyncio.gather(*(route.deliver() for _ in range(3)))
    route.handler._log.flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "delivery received" in line]
    sync_ids = {str(request.sync_id) for request in route.kafka.requests}
    assert {line["sync_id"] for line in lines} == sync_ids
    assert {line["connection"] for line in lines} == {"shopify:acme.myshopify.com"}
    traces = {span.sync_id: span.trace for span in receiver.spans if span.sync_id}
    assert {line["sync_id"]: line["trace_id"] for line in lines if "trace_id" in line} == traces
    assert bool(traces) is exported


async def test_without_a_receiver_nothing_is_wrapped(shopify: PlatformAdapter, make_route: Any) -> None:
    route = make_route(shopify)
    assert trace_handler(route.handler) is route.handler
    publish = route.kafka.publish
    assert trace_publish(publish) is publish
