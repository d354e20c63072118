"""Snapshots over HTTP: versions, encodings and ranges."""

import asyncio
import gzip
import re
from base64 import b64decode
from hashlib import sha256
from typing import Any

import cramjam
import pytest

from api_builders import OTHER, make_connection, make_sync, make_syncs
from data_api.routes.v1 import snapshots
from stream_server import wait_until
from v1_server import OTHER_KEY, OTHER_ROOT, V1

DOCUMENT = b'{"data":[' + b",".join(b'{"n":%d}' % n for n in range(2000)) + b"]}"
LARGE = b'{"data":"' + b"0123456789abcdef" * 70_000 + b'"}'


async def get(v1: V1, encoding: str = "identity", **headers: str) -> Any:
    """The response with the bytes as they came, still encoded."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = v1.http.build_request(
        "GET", v1.address("/snapshot"), headers={**v1.keyed, "accept-encoding": encoding, **named}
    )
    response = await v1.http.send(request, stream=True)
    response._content = b"".join([piece async for piece in response.aiter_raw()])
    await response.aclose()
    return response


@pytest.mark.parametrize("document", [DOCUMENT, LARGE], ids=["whole", "in pieces"])
async def test_a_snapshot_is_the_object_byte_for_byte(v1: V1, document: bytes) -> None:
    await v1.upload(document)
    digest = sha256(document).hexdigest()
    plain, gzipped, zstd = await get(v1), await get(v1, "gzip"), await get(v1, "gzip;q=0.5, zstd")
    assert plain.content == document and "content-encoding" not in plain.headers
    assert gzip.decompress(gzipped.content) == document and gzipped.headers["content-encoding"] == "gzip"
    assert bytes(cramjam.zstd.decompress(zstd.content)) == document and zstd.headers["content-encoding"] == "zstd"
    tags = [response.headers["etag"] for response in (plain, gzipped, zstd)]
    assert tags == [f'"{digest}"', f'"{digest}-gzip"', f'"{digest}-zstd"']
    assert plain.headers["last-modified"] == "Sun, 29 Nov 2026 07:19:03 GMT"
    encoded = re.fullmatch("sha-256=:(.*):", plain.headers["repr-digest"])
    assert encoded and b64decode(encoded[1]).hex() == digest
    assert all("accept-encoding" in response.headers["vary"] for response in (plain, gzipped, zstd))


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
async def test_a_snapshot_that_is_known_is_not_sent_again(v1: V1, encoding: str) -> None:
    await v1.upload(DOCUMENT)
    tag = (await get(v1, encoding)).headers["etag"]
    again = await get(v1, encoding, if_none_match=tag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    await v1.upload(DOCUMENT + b" ", 2)
    assert (await get(v1, encoding, if_none_match=tag)).status_code == 200


async def test_head_has_the_headers_alone(v1: V1) -> None:
    await v1.upload(LARGE)
    response = await v1.http.head(v1.address("/snapshot"), headers={**v1.keyed, "accept-encoding": "identity"})
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len(LARGE))
    assert response.headers["etag"] == f'"{sha256(LARGE).hexdigest()}"'


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=0-9", LARGE[:10]),
        ("bytes=-5", LARGE[-5:]),
        ("bytes=1000000-", LARGE[1_000_000:]),
        ("bytes=8-600000", LARGE[8:600_001]),
    ],
)
async def test_a_range_of_the_bytes_is_answered(v1: V1, wanted: str, expected: bytes) -> None:
    await v1.upload(LARGE)
    response = await get(v1, "gzip", range=wanted)
    assert (response.status_code, response.content) == (206, expected)
    assert "content-encoding" not in response.headers
    start = LARGE.index(expected) if wanted != "bytes=-5" else len(LARGE) - 5
    if wanted in ("bytes=0-9", "bytes=-5"):
        assert response.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(LARGE)}"


async def test_a_range_of_another_version_is_answered_with_the_whole(v1: V1) -> None:
    await v1.upload(DOCUMENT)
    tag = (await get(v1)).headers["etag"]
    assert (await get(v1, range="bytes=0-9", if_range=tag)).status_code == 206
    assert (await get(v1, range="bytes=0-9", if_range="Sun, 29 Nov 2026 07:19:03 GMT")).status_code == 206
    await v1.upload(LARGE, 2)
    whole = await get(v1, range="bytes=0-9", if_range=tag)
    assert (whole.status_code, whole.content) == (200, LARGE)


async def test_a_range_behind_the_end_cannot_be_satisfied(v1: V1) -> None:
    await v1.upload(DOCUMENT)
    response = await get(v1, range=f"bytes={len(DOCUMENT)}-")
    assert (response.status_code, response.headers["content-range"]) == (416, f"bytes */{len(DOCUMENT)}")
    ignored = await get(v1, range="bytes=0-1,5-6")
    assert (ignored.status_code, ignored.content) == (200, DOCUMENT)


async def test_there_is_no_snapshot_before_the_first_full_sync(v1: V1) -> None:
    await v1.feed.connect(OTHER, is_fully_read=False)
    v1.apply_syncs(make_syncs(make_sync(records=3), connection=OTHER, fully_read=False))
    response = await v1.get(OTHER_ROOT + "/snapshot", key=OTHER_KEY)
    assert response.status_code == 503 and response.json()["sync"]["records"] == 3


async def test_a_snapshot_after_a_sync_waits_for_its_upload(v1: V1, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "HEARD_SECONDS", 0.0)
    await v1.upload(DOCUMENT, 1)
    assert (await v1.get("/snapshot")).content == DOCUMENT
    sync = make_sync(state="storing", sequence=2)
    v1.apply_syncs(make_syncs(sync))
    reading = asyncio.create_task(v1.get("/snapshot", after_sync=str(sync.sync_id)))
    await wait_until(lambda: bool(v1.state._changes._signals))
    await v1.upload(LARGE, 2)
    v1.apply_syncs(make_syncs(sync.model_copy(update={"state": "success"}), revision=2))
    assert (await asyncio.wait_for(reading, 20)).content == LARGE


async def test_a_snapshot_whose_upload_is_not_heard_of_yet_is_waited_for(v1: V1) -> None:
    await v1.upload(DOCUMENT, 1)
    sync = make_sync(state="success", sequence=2)
    v1.apply_syncs(make_syncs(sync))
    reading = asyncio.create_task(v1.get("/snapshot", after_sync=str(sync.sync_id)))
    await wait_until(lambda: bool(v1.state._changes._signals))
    await v1.upload(LARGE, 2)
    assert (await asyncio.wait_for(reading, 20)).content == LARGE


async def test_nobody_reads_the_snapshot_of_another(v1: V1) -> None:
    await v1.upload(DOCUMENT)
    tag = (await get(v1)).headers["etag"]
    foreign = await v1.get("/snapshot", key=OTHER_KEY, headers={"If-None-Match": tag})
    unknown = await v1.get("/v1/connections/shop:none/snapshot", key=OTHER_KEY, headers={"If-None-Match": tag})
    assert (foreign.status_code, foreign.content) == (404, unknown.content)


async def test_nothing_is_shown_of_a_redacted_connection(v1: V1) -> None:
    await v1.upload(DOCUMENT)
    assert (await get(v1)).status_code == 200
    redacted = make_connection(revision=2, epoch=2, state="redacted", redacted_epoch=2)
    v1.state.apply_connection(redacted)
    v1.cache.apply_connection(redacted)
    assert (await get(v1)).status_code == 404
