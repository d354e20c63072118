"""The gateway's own settings, read from the environment. Each platform has a settings class of its own."""

from pydantic import Field, SecretStr

from database.url import DatabaseUrl
from platform_sdk.settings import OptionalBaseUrl, OptionalUrl, Url
from service.encryption import EncryptionKeys
from service.public_settings import PublicApiSettings
from service.service_auth import CallersByHash, InternalKey


class GatewaySettings(PublicApiSettings):
    """The settings of the gateway itself. `deploy/env.example` describes each of them."""

    database_url: DatabaseUrl
    gateway_host: str = "0.0.0.0"
    gateway_port: int = Field(default=5000, ge=1, le=65535)
    gateway_processes: int = Field(default=2, ge=1, le=64)
    gateway_internal_host: str = "127.0.0.1"
    gateway_internal_port: int = Field(default=5001, ge=1, le=65535)
    scheduler_url: Url
    scheduler_key: InternalKey
    linker_url: Url
    linker_key: InternalKey
    internal_key_hashes: CallersByHash
    state_token_secret: SecretStr = Field(min_length=32)
    token_encryption_keys: EncryptionKeys = Field(repr=False)
    session_ttl_seconds: int = Field(default=43_200, ge=60)
    session_idle_seconds: int = Field(default=3600, ge=60)
    proof_read_seconds: int = Field(default=43_200, ge=60)
    proof_act_seconds: int = Field(default=900, ge=60)
    audit_kept_days: int = Field(default=365, ge=1)
    webhook_max_bytes: int = Field(default=8 * 1024 * 1024, ge=1024)
    gateway_max_connections: int = Field(default=1000, ge=10)
    data_api_public_url: OptionalBaseUrl = ""
    sandbox_url: str = ""
    sandbox_relayed: OptionalUrl = ""
