"""Both documents of the public listener, as they are served and committed."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI

from contracts.asyncapi import build_asyncapi_document
from contracts.topics import list_topics
from gateway.pages.api_docs.openapi import openapi_document
from gateway.platforms import PLATFORMS, Platform
from messaging.provisioning import build_config


class Documents(NamedTuple):
    """The routes that `app` has, and the topics that there are."""

    openapi: dict[str, Any]
    asyncapi: dict[str, Any]


def documents(app: FastAPI, platforms: Sequence[Platform]) -> Documents:
    """What `app` and the webhooks of these platforms take; the topics of all platforms."""
    return Documents(
        openapi_document(app, platforms), build_asyncapi_document(list_topics(tuple(PLATFORMS)), build_config)
    )


def written(document: dict[str, Any]) -> str:
    """A document as text."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
