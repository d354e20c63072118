"""Traces of the whole stack: each webhook has one trace, from its acceptance until the ledger has its upload."""

import pytest

from merchant_sync.stack import Stack
from otlp_receiver import Received, Receiver, draw_tree
from world import World, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stack(traced_stack: Stack) -> Stack:
    """Use the stack that exports its spans."""
    return traced_stack


def find_caused(spans: list[Received], cause: Received) -> list[Received]:
    """Find the spans that a span caused: its children, and the spans that link to it."""
    return [span for span in spans if span.parent == cause.id or (cause.trace, cause.id) in span.links]


def find_complete_trace(receiver: Receiver, sync_id: str, fetcher: str) -> list[Received] | None:
    """Return the trace of the webhook that requested the sync; None while it is incomplete.

    It is complete when the ledger has its upload and the parent of every span has arrived. Each service exports its
    spans separately, with a delay.
    """
    request = next((s for s in list(receiver.spans) if s.service == "gateway" and s.sync_id == sync_id), None)
    spans = receiver.list_spans(request.trace) if request else []
    builds = [span for span in spans if span.name == "build snapshot"]
    is_in_ledger = any(span.service == "scheduler" for build in builds for span in find_caused(spans, build))
    is_fetched = any(span.service == fetcher and span.name.startswith("process ") for span in spans)
    ids = {"", *(span.id for span in spans)}
    is_joined = all(span.parent in ids for span in spans) and any(not span.parent for span in spans)
    return spans if is_in_ledger and is_fetched and is_joined else None


def list_path(spans: list[Received], leaf: Received) -> list[str]:
    """List services and names of the spans from the root to this one."""
    by_id = {span.id: span for span in spans}
    path = [leaf]
    while path[0].parent:
        path.insert(0, by_id[path[0].parent])
    return [f"{span.service}: {span.name}" for span in path]


def wait_for_webhook_sync(world: World, connection: str) -> str:
    """Wait until a sync of a webhook is uploaded; return the id of the latest one."""
    syncs = wait_until(lambda: world.list_syncs(connection, cause="webhook", state="success") or None)
    return str(syncs[-1].sync_id)


def test_one_webhook_is_one_trace_from_its_acceptance_to_the_upload_and_the_ledger(
    world: World, receiver: Receiver
) -> None:
    shop = world.make_shop(products=5)
    world.connect_and_sync(shop)
    world.wait_until_idle(shop)
    world.edit_product(shop, world.list_products(shop)[0]["number"], title="Traced")
    world.wait_until_equal(shop)
    sync_id = wait_for_webhook_sync(world, f"shopify:{shop}")
    spans = wait_until(lambda: find_complete_trace(receiver, sync_id, "shopify-fetcher"))
    print(f"\n{draw_tree(spans)}")

    ids = {span.id for span in spans}
    roots = [span for span in spans if span.parent not in ids]
    assert [(root.service, root.name, root.parent) for root in roots] == [("gateway", "POST /shopify/webhook", "")]
    (put,) = (span for span in spans if span.name == "S3/PutObject")
    assert list_path(spans, put) == [
        "gateway: POST /shopify/webhook",
        "gateway: send sync.requested.shopify",
        "shopify-fetcher: process sync.requested.shopify",
        "shopify-fetcher: send data.fetched.shopify",
        "spaces-writer: process data.fetched.shopify",
        "spaces-writer: build snapshot",
        "spaces-writer: S3/PutObject",
    ]
    build = next(span for span in spans if span.name == "build snapshot")
    assert ("scheduler", "process data.stored") in {(span.service, span.name) for span in find_caused(spans, build)}
    assert any(span.service == "scheduler" and span.name == "process sync.requested.shopify" for span in spans)
    calls = [span for span in spans if span.service == "shopify-fetcher" and span.name == "POST"]
    assert {call.attributes["http.response.status_code"] for call in calls} == {200}
    assert not any(span.failed or span.events for span in spans)


def test_a_pages_webhook_is_one_trace_too(world: World, receiver: Receiver) -> None:
    (page,) = world.connect_pages(world.create_person(pages=1)["id"]).pages
    world.edit_page(page["id"], name="Traced")
    world.wait_until_page_equal(page["id"])
    sync_id = wait_for_webhook_sync(world, page["connection"])
    spans = wait_until(lambda: find_complete_trace(receiver, sync_id, "facebook-fetcher"))
    assert any(span.service == "facebook-fetcher" and span.name == "GET" for span in spans)
    assert any(span.name == "S3/PutObject" for span in spans)


def test_a_full_sync_is_one_trace_from_its_first_step_to_its_upload(world: World, receiver: Receiver) -> None:
    connected = world.connect_and_sync(world.make_shop(products=5))
    step = wait_until(
        lambda: next(
            (
                span
                for span in list(receiver.spans)
                if span.name == "start full sync step" and span.sync_id == connected.sync_id
            ),
            None,
        )
    )
    wait_until(lambda: any(s.name == "S3/PutObject" for s in receiver.list_spans(step.trace)) or None)
    spans = receiver.list_spans(step.trace)
    assert {"scheduler", "shopify-fetcher", "spaces-writer"} <= {span.service for span in spans}
    assert step.parent == ""


def test_log_lines_name_the_trace_and_the_sync(world: World, receiver: Receiver) -> None:
    shop = world.make_shop(products=5)
    world.connect_and_sync(shop)
    world.wait_until_idle(shop)
    world.edit_product(shop, world.list_products(shop)[0]["number"], title="Logged")
    world.wait_until_equal(shop)
    sync_id = wait_for_webhook_sync(world, f"shopify:{shop}")
    trace = wait_until(lambda: find_complete_trace(receiver, sync_id, "shopify-fetcher"))[0].trace
    for service in ("gateway", "shopify-fetcher", "spaces-writer", "scheduler"):
        lines = world.stack.get_log_path(service).read_text().splitlines()
        trace_lines = [line for line in lines if f'"trace_id":"{trace}"' in line]
        assert any(f'"connection":"shopify:{shop}"' in line for line in trace_lines), service
        assert any(f'"sync_id":"{sync_id}"' in line for line in trace_lines), service
