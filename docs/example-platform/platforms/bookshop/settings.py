"""The setting of Bookshop, from the environment."""

from typing import ClassVar

from platform_sdk.manifests import Manifest
from platform_sdk.settings import OptionalUrl, PlatformSettings
from platforms.bookshop.manifest import MANIFEST


class Settings(PlatformSettings):
    """The URL of Bookshop's API. Without this URL, no shop can be connected."""

    manifest: ClassVar[Manifest] = MANIFEST
    bookshop_api_url: OptionalUrl = ""
