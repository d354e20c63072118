"""Settings of the spaces-writer, from the environment."""

from pydantic import Field, field_validator, model_validator

from database.url import DatabaseUrl
from messaging.tls import create_context
from service.settings import KafkaSettings


class WriterSettings(KafkaSettings):
    """The settings of the spaces-writer: how to reach Kafka, Postgres and a bucket of any S3-compatible store."""

    database_url: DatabaseUrl
    spaces_access_key: str
    spaces_secret_key: str
    spaces_bucket: str
    spaces_region: str = "nyc3"
    spaces_endpoint_url: str = ""
    spaces_ca_file: str = ""
    port: int = 8080
    host: str = "127.0.0.1"
    snapshot_concurrency: int = Field(default=2, ge=1)

    @field_validator("spaces_ca_file")
    @classmethod
    def _check_ca_file(cls, path: str) -> str:
        create_context(path)
        return path

    @model_validator(mode="after")
    def _derive_endpoint(self) -> "WriterSettings":
        if not self.spaces_endpoint_url:
            address = f"https://{self.spaces_region}.digitaloceanspaces.com"
            object.__setattr__(self, "spaces_endpoint_url", address)
        return self
