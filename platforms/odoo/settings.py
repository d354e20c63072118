"""The settings of Odoo that the gateway reads."""

from typing import ClassVar

from platform_sdk.manifests import Manifest
from platform_sdk.settings import AllowedHosts, PlatformSettings
from platforms.odoo.manifest import MANIFEST


class Settings(PlatformSettings):
    """The hosts that may be called although they are private or unencrypted, and whether hints are taken."""

    manifest: ClassVar[Manifest] = MANIFEST
    odoo_allowed_hosts: AllowedHosts = ()
    odoo_hints: bool = False
