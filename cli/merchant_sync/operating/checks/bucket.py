"""The bucket: an object is written, read back, and taken out again."""

from collections.abc import Iterator
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from merchant_sync.access import Access
from merchant_sync.client import bucket
from merchant_sync.operating.checks import Finding, bad, good

PREFIX = ".merchant-sync-doctor/"


def look(access: Access) -> Iterator[Finding]:
    """Whether the keys may do in the bucket what the writer does."""
    client, name = bucket(access), access.get("SPACES_BUCKET")
    key, body = f"{PREFIX}{uuid4()}", b'{"written by": "merchant-sync doctor"}'
    what, doing = f"bucket {name}", "write"
    try:
        client.put_object(Bucket=name, Key=key, Body=body, ContentType="application/json")
        doing = "read"
        read = client.get_object(Bucket=name, Key=key)["Body"].read()
        doing = "delete"
        client.delete_object(Bucket=name, Key=key)
    except ClientError as error:
        said = error.response["Error"]
        seen = f"{access.bucket_endpoint} refuses to {doing}: {said.get('Code')} {said.get('Message', '')}".strip()
        yield bad(what, seen, _mend(str(said.get("Code"))))
    except (BotoCoreError, OSError, ValueError) as error:
        yield bad(what, f"{access.bucket_endpoint}: {error}", "bring it back, or correct SPACES_ENDPOINT_URL")
    else:
        if read == body:
            yield good(what, f"{access.bucket_endpoint}: written, read, deleted")
        else:
            yield bad(what, "gives other bytes than were written", "look at what lies between here and the store")


def _mend(code: str) -> str:
    if code in ("NoSuchBucket", "404"):
        return "make the bucket, or correct SPACES_BUCKET"
    return "correct SPACES_ACCESS_KEY and SPACES_SECRET_KEY, or what the keys may do in this bucket"
