"""Builds the OpenAPI document of the public routes and the AsyncAPI document of the Kafka topics."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI

from contracts.asyncapi import build_asyncapi_document
from contracts.topics import list_topics
from gateway.pages.api_docs.openapi import build_openapi_document
from messaging.provisioning import build_config
from platform_sdk.adapters import PlatformAdapter
from platforms.registry import DESTINATIONS, PLATFORMS


class Documents(NamedTuple):
    """The OpenAPI and the AsyncAPI document, as dictionaries ready for JSON."""

    openapi: dict[str, Any]
    asyncapi: dict[str, Any]


def build_documents(app: FastAPI, adapters: Sequence[PlatformAdapter]) -> Documents:
    """Return the OpenAPI and the AsyncAPI document.

    The OpenAPI document describes the routes of `app` and the webhooks of these platforms. The AsyncAPI document
    describes the Kafka topics.
    """
    topics = list_topics(PLATFORMS, DESTINATIONS)
    return Documents(build_openapi_document(app, adapters), build_asyncapi_document(topics, build_config))


def format_document(document: dict[str, Any]) -> str:
    """Return an API document as indented JSON text that ends with a newline."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
