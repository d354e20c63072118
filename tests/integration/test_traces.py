"""Traces of the whole stack: one for one webhook, from its acceptance to the ledger's word that it is uploaded."""

import pytest

from merchant_sync.stack import Stack
from otlp_receiver import Received, Receiver, tree
from world import World, until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stack(traced_stack: Stack) -> Stack:
    """The stack that exports its spans."""
    return traced_stack


def heard(spans: list[Received], said: Received) -> list[Received]:
    """What was caused by what this span has said: its children, and those that are linked to it."""
    return [span for span in spans if span.parent == said.id or (said.trace, said.id) in span.links]


def whole_trace(receiver: Receiver, sync_id: str, fetcher: str) -> list[Received] | None:
    """The trace of the webhook that asked for the sync, once the ledger has its upload and every span's parent is here:
    each service sends its own spans, a moment later."""
    asked = next((s for s in list(receiver.spans) if s.service == "gateway" and s.sync_id == sync_id), None)
    spans = receiver.list_spans(asked.trace) if asked else []
    composes = [span for span in spans if span.name == "build snapshot"]
    noted = any(span.service == "scheduler" for compose in composes for span in heard(spans, compose))
    read = any(span.service == fetcher and span.name.startswith("process ") for span in spans)
    known = {"", *(span.id for span in spans)}
    joined = all(span.parent in known for span in spans) and any(not span.parent for span in spans)
    return spans if noted and read and joined else None


def path_to(spans: list[Received], leaf: Received) -> list[str]:
    """Services and spans from the root to this one."""
    by_id = {span.id: span for span in spans}
    path = [leaf]
    while path[0].parent:
        path.insert(0, by_id[path[0].parent])
    return [f"{span.service}: {span.name}" for span in path]


def webhooks_sync(world: World, connection: str) -> str:
    """The latest sync that a webhook asked for, once it is uploaded."""
    asked = until(lambda: [s for s in world.syncs_of(connection, cause="webhook") if s.uploaded] or None)
    return str(asked[-1].sync_id)


def test_one_webhook_is_one_trace_from_its_acceptance_to_the_put_and_the_ledger(
    world: World, receiver: Receiver
) -> None:
    shop = world.make_shop(products=5)
    world.synced(shop)
    world.settled(shop)
    world.edit(shop, world.products(shop)[0]["number"], title="Traced")
    world.equal(shop)
    sync_id = webhooks_sync(world, f"shopify:{shop}")
    spans = until(lambda: whole_trace(receiver, sync_id, "shopify-fetcher"))
    print(f"\n{tree(spans)}")

    ids = {span.id for span in spans}
    roots = [span for span in spans if span.parent not in ids]
    assert [(root.service, root.name, root.parent) for root in roots] == [("gateway", "POST /shopify/webhook", "")]
    (put,) = (span for span in spans if span.name == "S3/PutObject")
    assert path_to(spans, put) == [
        "gateway: POST /shopify/webhook",
        "gateway: send sync.requested.shopify",
        "shopify-fetcher: process sync.requested.shopify",
        "shopify-fetcher: send data.fetched",
        "spaces-writer: process data.fetched",
        "spaces-writer: build snapshot",
        "spaces-writer: S3/PutObject",
    ]
    compose = next(span for span in spans if span.name == "build snapshot")
    assert ("scheduler", "process data.stored") in {(span.service, span.name) for span in heard(spans, compose)}
    assert any(span.service == "scheduler" and span.name == "process sync.requested.shopify" for span in spans)
    calls = [span for span in spans if span.service == "shopify-fetcher" and span.name == "POST"]
    assert {call.attributes["http.response.status_code"] for call in calls} == {200}
    assert not any(span.failed or span.events for span in spans)


def test_a_pages_webhook_is_one_trace_too(world: World, receiver: Receiver) -> None:
    (page,) = world.connect_pages(world.person(pages=1)["id"]).pages
    world.edit_page(page["id"], name="Traced")
    world.page_equal(page["id"])
    sync_id = webhooks_sync(world, page["connection"])
    spans = until(lambda: whole_trace(receiver, sync_id, "facebook-fetcher"))
    assert any(span.service == "facebook-fetcher" and span.name == "GET" for span in spans)
    assert any(span.name == "S3/PutObject" for span in spans)


def test_a_walk_is_one_trace_from_its_first_step_to_its_upload(world: World, receiver: Receiver) -> None:
    connected = world.synced(world.make_shop(products=5))
    begun = until(
        lambda: next(
            (
                span
                for span in list(receiver.spans)
                if span.name == "start full sync step" and span.sync_id == connected.sync_id
            ),
            None,
        )
    )
    until(lambda: any(s.name == "S3/PutObject" for s in receiver.list_spans(begun.trace)) or None)
    spans = receiver.list_spans(begun.trace)
    assert {"scheduler", "shopify-fetcher", "spaces-writer"} <= {span.service for span in spans}
    assert begun.parent == ""


def test_lines_of_the_log_name_the_trace_and_the_sync(world: World, receiver: Receiver) -> None:
    shop = world.make_shop(products=5)
    world.synced(shop)
    world.settled(shop)
    world.edit(shop, world.products(shop)[0]["number"], title="Logged")
    world.equal(shop)
    sync_id = webhooks_sync(world, f"shopify:{shop}")
    trace = until(lambda: whole_trace(receiver, sync_id, "shopify-fetcher"))[0].trace
    for service in ("gateway", "shopify-fetcher", "spaces-writer", "scheduler"):
        lines = world.stack.get_log_path(service).read_text().splitlines()
        named = [line for line in lines if f'"trace_id":"{trace}"' in line]
        assert any(f'"connection":"shopify:{shop}"' in line for line in named), service
        assert any(f'"sync_id":"{sync_id}"' in line for line in named), service
