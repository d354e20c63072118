"""Settings of the spaces-writer, from the environment."""

from pydantic import Field

from database.url import DatabaseUrl
from service.bucket_settings import BucketSettings
from service.settings import KafkaSettings


class WriterSettings(BucketSettings, KafkaSettings):
    """The settings of the spaces-writer: how to reach Kafka, Postgres and a bucket of any S3-compatible store."""

    database_url: DatabaseUrl
    port: int = 8080
    host: str = "127.0.0.1"
    snapshot_concurrency: int = Field(default=2, ge=1)
