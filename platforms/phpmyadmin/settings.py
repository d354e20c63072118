"""The settings of phpMyAdmin that the gateway reads: a login for the installation's tables, and allowed hosts."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, SecretStr

from platform_sdk.manifests import Manifest
from platform_sdk.settings import AllowedHosts, Names, OptionalBaseUrl, PlatformSettings
from platforms.phpmyadmin.manifest import MANIFEST


class Settings(PlatformSettings):
    """The installation's own tables, and the hosts that may be called although they are private or unencrypted."""

    manifest: ClassVar[Manifest] = MANIFEST
    phpmyadmin_url: OptionalBaseUrl = ""
    phpmyadmin_username: str = ""
    phpmyadmin_password: SecretStr = SecretStr("")
    phpmyadmin_database: str = ""
    phpmyadmin_server: Annotated[str, Field(pattern=r"^[1-9][0-9]?$")] = "1"
    phpmyadmin_tables: Names = ("orders",)
    phpmyadmin_merchant: UUID | None = None
    phpmyadmin_allowed_hosts: AllowedHosts = ()
