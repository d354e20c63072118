"""Finds the document builder of a connection's platform."""

from contracts.events import parse_platform
from platform_sdk.documents import DocumentBuilder, build_plain_document
from platforms.registry import load_role


def load_document_builder(connection: str) -> DocumentBuilder:
    """Return the function that builds a connection's snapshot: `build_document` of its platform's `document` module.

    If the platform has no such module or is not registered, return `build_plain_document`, which writes all resources.
    """
    platform = parse_platform(connection)
    try:
        role = load_role(platform, "document")
    except ModuleNotFoundError as error:
        # The module may exist and lack a dependency: that is a fault of the installation, and is raised.
        if error.name not in (f"platforms.{platform}", f"platforms.{platform}.document"):
            raise
        return build_plain_document
    builder: DocumentBuilder = role.build_document
    return builder
