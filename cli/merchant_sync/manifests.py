"""The manifests (names and settings) of all platforms of this installation, in the order of the registry."""

from platform_sdk.manifests import Manifest
from platforms.registry import PLATFORMS, load_role

MANIFESTS: tuple[Manifest, ...] = tuple(load_role(slug, "manifest").MANIFEST for slug in PLATFORMS)
