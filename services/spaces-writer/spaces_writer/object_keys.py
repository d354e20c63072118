"""Derives the keys of objects in the bucket.

A key follows from the connection or the merchant alone and is never taken from an event, so that no event can have
another connection's object overwritten or deleted.
"""

from uuid import UUID

from contracts.events import parse_account, parse_platform
from platform_sdk.manifests import Manifest
from platforms.registry import PLATFORMS, load_role


def build_snapshot_key(connection: str) -> str:
    """Return the key of the connection's snapshot, the document of all its current records.

    The platform's manifest says what it is; a platform that is not registered has the default key. Raises `ValueError`
    when the connection's account has not the form of an account of its platform.
    """
    platform = parse_platform(connection)
    manifest: Manifest = (
        load_role(platform, "manifest").MANIFEST if platform in PLATFORMS else Manifest(platform, platform, "account")
    )
    return manifest.build_object_key(parse_account(connection))


def build_merchant_key(merchant: UUID) -> str:
    """Return the key of the merchant's document, which lists the merchant's connections."""
    # A snapshot's key never looks so: the default key has three parts, and `merchants` is not registered.
    return f"merchants/{merchant}.json"
