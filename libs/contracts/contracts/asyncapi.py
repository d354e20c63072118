"""Builds the AsyncAPI 3.0 document, which describes the producers, consumers, retention and messages of each topic.

One document describes all services. Each operation belongs to one service, whose name is the operation's tag and the
first part of the operation's name.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from contracts.events import EVENTS
from contracts.headers import CLOUD_EVENT, DEAD_LETTER, FEED, TRACE
from contracts.schemas.generation import render_schemas
from contracts.topics import PARTITIONS, RETENTION_MS, Topic

DEAD_LETTER_NAME = "DeadLetter"
_BINDING = {"bindingVersion": "0.5.0"}
_DAYS = RETENTION_MS // (24 * 3600 * 1000)
_INFO = {
    "title": "merchant-sync topics",
    "version": "1.0.0",
    "description": (
        "The events that the services of merchant-sync exchange over Kafka. The key of every message is its connection "
        "(`platform:account`), the unit of ordering. Fields may be added to an event; any other change is a new topic. "
        f"No message is kept longer than {_DAYS} days, except the last one of each key on compacted topics."
    ),
}


def build_asyncapi_document(
    topics: Iterable[Topic], get_config: Callable[[Topic], Mapping[str, str]]
) -> dict[str, Any]:
    """Return the AsyncAPI document for `topics`.

    `get_config` returns the Kafka settings with which a topic is created.
    """
    listed = list(topics)
    return {
        "asyncapi": "3.0.0",
        "info": _INFO,
        "defaultContentType": "application/json",
        "channels": {topic.name: _build_channel(topic, get_config(topic)) for topic in listed},
        "operations": {name: operation for topic in listed for name, operation in _build_operations(topic)},
        "components": {"messages": _build_messages(), "schemas": _build_schemas()},
    }


def _build_channel(topic: Topic, config: Mapping[str, str]) -> dict[str, Any]:
    limits = {name: int(config[name]) for name in ("retention.ms", "max.message.bytes") if name in config}
    topic_config = {"cleanup.policy": [config["cleanup.policy"]], **limits}
    return {
        "address": topic.name,
        "description": topic.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _list_messages(topic)},
        "bindings": {
            "kafka": {"topic": topic.name, "partitions": PARTITIONS, "topicConfiguration": topic_config, **_BINDING},
        },
    }


def _build_operations(topic: Topic) -> Iterator[tuple[str, dict[str, Any]]]:
    for action, services in (("send", topic.producers), ("receive", topic.consumers)):
        for service in services:
            yield (
                f"{service}.{action}.{topic.name}",
                {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{topic.name}"},
                    "messages": [
                        {"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in _list_messages(topic)
                    ],
                    "tags": [{"name": service}],
                },
            )


def _list_messages(topic: Topic) -> list[str]:
    return [event.__name__ for event in topic.events] or [DEAD_LETTER_NAME]


def _build_messages() -> dict[str, Any]:
    key = {"type": "string", "description": "The connection: platform:account"}
    common = {"bindings": {"kafka": {"key": key, **_BINDING}}, "contentType": "application/json"}
    events = {
        event.__name__: {
            "name": f"merchant-sync.{event.__name__}.v1",
            "summary": (event.__doc__ or "").partition("\n")[0],
            "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
            "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
            **common,
            "examples": [{"payload": _load_example(event.__name__)}],
        }
        for event in EVENTS
    }
    dead_letter = {
        "name": DEAD_LETTER_NAME,
        "summary": "A message that could not be handled, unchanged: an event, unless it breaks its contract.",
        "headers": {"$ref": "#/components/schemas/DeadLetterHeaders"},
        "payload": {},
        **common,
    }
    return {**events, DEAD_LETTER_NAME: dead_letter}


def _build_schemas() -> dict[str, Any]:
    """Return the JSON Schemas by name: those of all events, of the types that events share, and of the headers."""
    schemas: dict[str, Any] = {}
    for text in render_schemas().values():
        schema = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
        schemas |= schema.pop("$defs", {})
        schemas[schema["title"]] = schema
    schemas["CloudEventHeaders"] = _build_header_schema(
        "CloudEvents attributes", {**CLOUD_EVENT, **TRACE, **FEED}, required=CLOUD_EVENT
    )
    schemas["DeadLetterHeaders"] = _build_header_schema(
        "The headers of the message, and why it is dead-lettered",
        {**CLOUD_EVENT, **TRACE, **DEAD_LETTER},
        required=DEAD_LETTER,
    )
    return dict(sorted(schemas.items()))


def _build_header_schema(description: str, headers: Mapping[str, str], *, required: Iterable[str]) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": text} for name, text in headers.items()}
    return {"type": "object", "description": description, "properties": properties, "required": list(required)}


def _load_example(event: str) -> Any:
    return json.loads(files("contracts").joinpath("examples", f"{event}.json").read_text())
