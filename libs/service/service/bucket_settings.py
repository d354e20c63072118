"""The settings of a service that uses the bucket, which is in any S3-compatible store."""

from typing import Self

from pydantic import field_validator, model_validator

from messaging.tls import create_context
from service.settings import Settings


class BucketSettings(Settings):
    """The bucket, the keys for it, and where its store is: by default DigitalOcean Spaces in `spaces_region`."""

    spaces_access_key: str
    spaces_secret_key: str
    spaces_bucket: str
    spaces_region: str = "nyc3"
    spaces_endpoint_url: str = ""
    spaces_ca_file: str = ""

    @field_validator("spaces_ca_file")
    @classmethod
    def _check_ca_file(cls, path: str) -> str:
        create_context(path)
        return path

    @model_validator(mode="after")
    def _derive_endpoint(self) -> Self:
        if not self.spaces_endpoint_url:
            address = f"https://{self.spaces_region}.digitaloceanspaces.com"
            object.__setattr__(self, "spaces_endpoint_url", address)
        return self
