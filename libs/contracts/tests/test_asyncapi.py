"""The AsyncAPI document agrees with the contracts."""

import json
from importlib.resources import files
from typing import Any

import pytest

from contracts.asyncapi import build_asyncapi_document
from contracts.events import EVENTS, SyncRequested
from contracts.headers import CLOUD_EVENT, build_headers
from contracts.topics import get_dead_letter_topic, list_topics

TOPICS = list_topics(("shopify", "facebook"), ("shopify",))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document, with the same settings for every topic."""
    return build_asyncapi_document(TOPICS, lambda topic: {"cleanup.policy": "delete", "retention.ms": "5"})


def test_every_topic_is_a_channel_with_its_events(document: dict[str, Any]) -> None:
    messages = {name: list(channel["messages"]) for name, channel in document["channels"].items()}
    assert messages["sync.requested.shopify"] == ["SyncRequested"]
    assert messages["data.fetched.shopify.full"] == [
        "RecordsPage", "IdsListed", "RangeCompleted", "FullReadCompleted", "DirectReadCompleted",
    ]  # fmt: skip
    assert messages["connection.changed.dlq"] == ["DeadLetter"]
    assert {name for names in messages.values() for name in names} == {*(e.__name__ for e in EVENTS), "DeadLetter"}


def test_the_consumers_of_a_topic_are_the_producers_of_its_dead_letters() -> None:
    by_name = {topic.name: topic for topic in TOPICS}
    for topic in TOPICS:
        if topic.events and topic.consumers:
            assert by_name[get_dead_letter_topic(topic.name)].producers == topic.consumers


@pytest.mark.parametrize("event", EVENTS)
def test_a_body_is_described_by_its_committed_schema(document: dict[str, Any], event: Any) -> None:
    committed = json.loads(files("contracts.schemas").joinpath(f"{event.__name__}.json").read_text())
    described = json.loads(json.dumps(document["components"]["schemas"]).replace("/components/schemas/", "/$defs/"))
    shared = committed.pop("$defs", {})
    assert described[event.__name__] == committed
    assert {name: described[name] for name in shared} == shared


def test_the_headers_of_every_event_are_described() -> None:
    example = json.loads(files("contracts").joinpath("examples", "SyncRequested.json").read_text())
    event = SyncRequested.model_validate(example)
    headers = build_headers(event, source="gateway", event_id="e1", subject=event.connection)
    assert [name for name, _ in headers] == list(CLOUD_EVENT)
