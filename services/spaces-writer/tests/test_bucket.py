"""A bucket that cannot be used is named at the start of the service; one over TLS is used by its own authority."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError

from spaces_writer.client import open_bucket
from spaces_writer.settings import WriterSettings

BuildSettings = Callable[[str], WriterSettings]


@pytest.fixture
def build_settings() -> BuildSettings:
    """Builds the settings for a bucket at an endpoint."""

    def build(endpoint: str) -> WriterSettings:
        return WriterSettings(
            kafka_bootstrap_servers="127.0.0.1:1",
            database_url="postgresql://u:p@127.0.0.1/d",
            spaces_bucket="mine",
            spaces_region="nyc3",
            spaces_endpoint_url=endpoint,
            spaces_access_key="key",
            spaces_secret_key="secret",
        )

    return build


async def report(settings: WriterSettings, seconds: float) -> list[dict[str, object]]:
    with structlog.testing.capture_logs() as lines:
        async with open_bucket(settings) as bucket:
            await bucket.log_error_if_unavailable(seconds)
    return [dict(line) for line in lines]


async def test_an_endpoint_that_refuses_connections_is_named(build_settings: BuildSettings) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        (line,) = await report(build_settings(endpoint), 30)
    assert (line["event"], line["log_level"], line["bucket"]) == ("bucket unavailable", "error", "mine")
    assert (line["endpoint"], "Could not connect" in str(line["reason"])) == (endpoint, True)


async def test_an_endpoint_that_is_silent_is_named(build_settings: BuildSettings) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    async with server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        (line,) = await report(build_settings(endpoint), 0.2)
    assert (line["event"], line["reason"]) == ("bucket unavailable", "no answer within 0 s")


def build_tls_settings(bucket: Mapping[str, str], **other: str) -> WriterSettings:
    given = {name.lower(): value for name, value in bucket.items()}
    others = {"kafka_bootstrap_servers": "127.0.0.1:1", "database_url": "postgresql://u:p@127.0.0.1/d"}
    return WriterSettings(**{**others, **given, **other})  # type: ignore[arg-type]


@pytest.mark.integration
async def test_a_store_over_tls_is_used_by_its_own_authority(tls_bucket: dict[str, str]) -> None:
    async with open_bucket(build_tls_settings(tls_bucket)) as bucket:
        assert await bucket.check_health() is None
        await bucket.put("a.json", BytesIO(b"{}"), {"sequence": "7"})
        assert await bucket.load_metadata("a.json") == {"sequence": "7"}


@pytest.mark.integration
async def test_a_store_over_tls_is_not_trusted_without_its_authority(tls_bucket: dict[str, str]) -> None:
    async with open_bucket(build_tls_settings(tls_bucket, spaces_ca_file="")) as bucket:
        assert "CERTIFICATE_VERIFY_FAILED" in str(await bucket.check_health())


def test_a_file_that_is_no_authority_is_named_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    for name, reason in (("missing.pem", "cannot be read"), ("empty.pem", "holds no certificate")):
        with pytest.raises(ValidationError, match=reason) as raised:
            build_tls_settings({"SPACES_ACCESS_KEY": "k", "SPACES_SECRET_KEY": "s", "SPACES_BUCKET": "b",
                                "SPACES_CA_FILE": str(tmp_path / name)})  # fmt: skip
        assert raised.value.errors()[0]["loc"] == ("spaces_ca_file",)
