"""The settings that every writer reads from the environment."""

from service.service_auth import InternalKey
from service.settings import InternalApiSettings


class DestinationSettings(InternalApiSettings):
    """The settings of a writer: the gateway's internal URL and the key for it, and its own port and host."""

    gateway_internal_url: str
    gateway_key: InternalKey
    port: int = 8080
    host: str = "127.0.0.1"
