"""Check the bucket: write an object, read it back, delete it."""

from collections.abc import Iterator
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from merchant_sync.access import Access
from merchant_sync.client import create_bucket_client
from merchant_sync.operating.checks import Finding, report_bad, report_good

PREFIX = ".merchant-sync-doctor/"


def check(access: Access) -> Iterator[Finding]:
    """Check that the access keys permit what the spaces-writer does in the bucket: write, read and delete an object."""
    client, name = create_bucket_client(access), access.get_setting("SPACES_BUCKET")
    key, body = f"{PREFIX}{uuid4()}", b'{"written by": "merchant-sync doctor"}'
    subject, operation = f"bucket {name}", "write"
    try:
        client.put_object(Bucket=name, Key=key, Body=body, ContentType="application/json")
        operation = "read"
        stored = client.get_object(Bucket=name, Key=key)["Body"].read()
        operation = "delete"
        client.delete_object(Bucket=name, Key=key)
    except ClientError as error:
        answer = error.response["Error"]
        refusal = f"{answer.get('Code')} {answer.get('Message', '')}".strip()
        details = f"{access.bucket_endpoint} refuses to {operation}: {refusal}"
        yield report_bad(subject, details, _choose_action(str(answer.get("Code"))))
    except (BotoCoreError, OSError, ValueError) as error:
        details = f"{access.bucket_endpoint}: {error}"
        yield report_bad(subject, details, "bring it back, or correct SPACES_ENDPOINT_URL")
    else:
        if stored == body:
            yield report_good(subject, f"{access.bucket_endpoint}: written, read, deleted")
        else:
            yield report_bad(
                subject, "returns other bytes than were written", "check what is between here and the store"
            )


def _choose_action(code: str) -> str:
    if code in ("NoSuchBucket", "404"):
        return "make the bucket, or correct SPACES_BUCKET"
    return "correct SPACES_ACCESS_KEY and SPACES_SECRET_KEY, or what the keys may do in this bucket"
