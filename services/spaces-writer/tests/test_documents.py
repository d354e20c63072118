"""The document of each platform, loaded by its role."""

import json
import subprocess
import sys

import pytest

from contracts.events import Record
from platform_sdk.documents import build_plain_document
from platforms.registry import PLATFORMS
from spaces_writer.documents import load_document_builder
from writer_builders import make_connection, make_full_read
from writer_harness import Writer

FORBIDDEN = {"httpx", "sqlalchemy", "aiokafka", "jinja2"}
UNKNOWN = "otherplatform:1"


def make_record(resource: str, record_id: str, sort_key: int) -> Record:
    body = {"id": record_id, "of": resource}
    return Record(resource=resource, id=record_id, read_at=10, sort_key=sort_key, body=body)


@pytest.mark.integration
async def test_the_document_of_an_unregistered_platform_shows_all_its_resources(writer: Writer) -> None:
    await writer.update_connection(make_connection(UNKNOWN))
    records = [make_record("shops", "s", 1), make_record("listings", "b", 2), make_record("listings", "a", 3)]
    await writer.ingest_full_read(*make_full_read(*records, connection=UNKNOWN))
    await writer.build(UNKNOWN)
    ((body, _),) = writer.bucket.objects.values()
    assert body == b'{"data":[{"id":"b","of":"listings"},{"id":"a","of":"listings"},{"id":"s","of":"shops"}]}'


@pytest.mark.integration
async def test_records_are_ordered_by_sort_keys_of_any_size(writer: Writer) -> None:
    await writer.update_connection(make_connection(UNKNOWN))
    keys = [-(2**130), -(2**64), -1, 0, 2**63, 2**64, 2**130, 2**130 + 1]
    records = [make_record("listings", str(len(keys) - place), key) for place, key in enumerate(keys)]
    await writer.ingest_full_read(*make_full_read(*reversed(records), connection=UNKNOWN))
    await writer.build(UNKNOWN)
    ((body, _),) = writer.bucket.objects.values()
    assert [record["id"] for record in json.loads(body)["data"]] == [record.id for record in records]


@pytest.mark.integration
async def test_the_document_of_an_unregistered_platform_leaves_out_tombstones(writer: Writer) -> None:
    await writer.update_connection(make_connection(UNKNOWN))
    records = [make_record("shops", "s", 1), make_record("listings", "a", 2)]
    await writer.ingest_full_read(*make_full_read(*records, connection=UNKNOWN))
    tombstone = Record(resource="shops", id="s", read_at=90_000)
    page = make_full_read(tombstone, connection=UNKNOWN)[0]
    await writer.ingest(page)
    await writer.build(UNKNOWN)
    ((body, _),) = writer.bucket.objects.values()
    assert body == b'{"data":[{"id":"a","of":"listings"}]}'


def test_a_platform_without_a_document_module_has_the_plain_document() -> None:
    assert load_document_builder("otherplatform:1") is build_plain_document
    assert load_document_builder("registry:1") is build_plain_document


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_registered_platform_has_its_own_document(platform: str) -> None:
    assert load_document_builder(f"{platform}:1").__module__ == f"platforms.{platform}.document"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_loading_a_document_module_imports_nothing_that_it_does_not_need(platform: str) -> None:
    code = f"import sys, platforms.{platform}.document; print(*sys.modules, sep='\\n')"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert f"platforms.{platform}.document" in listed
    assert not FORBIDDEN & set(listed)
    assert not [name for name in listed if "generated" in name.split(".")]
