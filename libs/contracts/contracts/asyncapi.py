"""The topics as an AsyncAPI 3.0 document: who says what on each, how long it stays, and how a message looks.

One document for all services: an operation's tag, and the beginning of its name, is the service that does it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from contracts.events import EVENTS
from contracts.headers import CLOUD_EVENT, DEAD_LETTER, TRACE
from contracts.schemas.generation import render_schemas
from contracts.topics import PARTITIONS, RETENTION_MS, Topic

DEAD = "DeadLetter"
_BINDING = {"bindingVersion": "0.5.0"}
_DAYS = RETENTION_MS // (24 * 3600 * 1000)
_INFO = {
    "title": "merchant-sync topics",
    "version": "1.0.0",
    "description": (
        "What the services of merchant-sync say to each other over Kafka. The key of every message is its connection "
        "(`platform:account`): the unit of order. A field may be added to an event; anything else is a new topic. "
        f"No message lives longer than {_DAYS} days; `connection.changed` alone keeps the last one of each key."
    ),
}


def build_asyncapi_document(topics: Iterable[Topic], configs: Callable[[Topic], Mapping[str, str]]) -> dict[str, Any]:
    """The document for these topics. `configs`: the settings with which a topic is made at Kafka."""
    listed = list(topics)
    return {
        "asyncapi": "3.0.0",
        "info": _INFO,
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic, configs(topic)) for topic in listed},
        "operations": {name: operation for topic in listed for name, operation in _operations(topic)},
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channel(topic: Topic, configs: Mapping[str, str]) -> dict[str, Any]:
    kept = {name: int(configs[name]) for name in ("retention.ms", "max.message.bytes") if name in configs}
    made = {"cleanup.policy": [configs["cleanup.policy"]], **kept}
    return {
        "address": topic.name,
        "description": topic.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(topic)},
        "bindings": {
            "kafka": {"topic": topic.name, "partitions": PARTITIONS, "topicConfiguration": made, **_BINDING},
        },
    }


def _operations(topic: Topic) -> Iterator[tuple[str, dict[str, Any]]]:
    for action, services in (("send", topic.producers), ("receive", topic.consumers)):
        for service in services:
            yield (
                f"{service}.{action}.{topic.name}",
                {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{topic.name}"},
                    "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in _names(topic)],
                    "tags": [{"name": service}],
                },
            )


def _names(topic: Topic) -> list[str]:
    return [event.__name__ for event in topic.events] or [DEAD]


def _messages() -> dict[str, Any]:
    key = {"type": "string", "description": "The connection: platform:account"}
    bound = {"bindings": {"kafka": {"key": key, **_BINDING}}, "contentType": "application/json"}
    events = {
        event.__name__: {
            "name": f"merchant-sync.{event.__name__}.v1",
            "summary": (event.__doc__ or "").partition("\n")[0],
            "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
            "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
            **bound,
            "examples": [{"payload": _example(event.__name__)}],
        }
        for event in EVENTS
    }
    dead = {
        "name": DEAD,
        "summary": "A message that could not be handled, as it came: an event, unless it broke its contract.",
        "headers": {"$ref": "#/components/schemas/DeadLetterHeaders"},
        "payload": {},
        **bound,
    }
    return {**events, DEAD: dead}


def _schemas() -> dict[str, Any]:
    """The events' committed JSON Schemas with what they share taken out once, and those of the headers."""
    schemas: dict[str, Any] = {}
    for text in render_schemas().values():
        schema = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
        schemas |= schema.pop("$defs", {})
        schemas[schema["title"]] = schema
    schemas["CloudEventHeaders"] = _headers("CloudEvents attributes", {**CLOUD_EVENT, **TRACE}, required=CLOUD_EVENT)
    schemas["DeadLetterHeaders"] = _headers(
        "Those that it came with, and why it is here", {**CLOUD_EVENT, **TRACE, **DEAD_LETTER}, required=DEAD_LETTER
    )
    return dict(sorted(schemas.items()))


def _headers(says: str, headers: Mapping[str, str], *, required: Iterable[str]) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": meaning} for name, meaning in headers.items()}
    return {"type": "object", "description": says, "properties": properties, "required": list(required)}


def _example(event: str) -> Any:
    return json.loads(files("contracts").joinpath("examples", f"{event}.json").read_text())
