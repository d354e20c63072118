"""The OpenAPI document of the public routes and the AsyncAPI document of the topics, as served and as committed."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI

from contracts.asyncapi import build_asyncapi_document
from contracts.topics import list_topics
from gateway.pages.api_docs.openapi import build_openapi_document
from messaging.provisioning import build_config
from platform_sdk.adapters import PlatformAdapter
from platforms.registry import PLATFORMS


class Documents(NamedTuple):
    """Both documents."""

    openapi: dict[str, Any]
    asyncapi: dict[str, Any]


def build_documents(app: FastAPI, adapters: Sequence[PlatformAdapter]) -> Documents:
    """Describe the routes of `app` with the webhooks of these platforms, and the topics of all platforms."""
    topics = list_topics(PLATFORMS)
    return Documents(build_openapi_document(app, adapters), build_asyncapi_document(topics, build_config))


def format_document(document: dict[str, Any]) -> str:
    """Return a document as text."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
