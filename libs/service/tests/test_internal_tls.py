"""TLS between services: an internal API is served by it, and only who trusts its authority calls it."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from certificates import Authority, Pair
from service import healthcheck
from service.known_settings import OWN_SETTINGS
from service.settings import InternalApiSettings, load_settings

PROGRAM = """
import sys
from fastapi import FastAPI
from service.process import Endpoint, add_health_routes, serve
from service.known_settings import OWN_SETTINGS
from service.settings import InternalApiSettings, load_settings
settings = load_settings(InternalApiSettings, OWN_SETTINGS)
app = FastAPI()
add_health_routes(app, {})
async def start(stack):
    return [Endpoint(app, "127.0.0.1", int(sys.argv[1]), certificate=settings.internal_certificate)]
serve(start)
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "inside")


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.sign("gateway")


@pytest.fixture
def port(pair: Pair, tmp_path: Path) -> Iterator[int]:
    """Run a service whose internal API is served by TLS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        free: int = server.getsockname()[1]
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "nowhere:1",
        "INTERNAL_TLS_CERT_FILE": str(pair.cert),
        "INTERNAL_TLS_KEY_FILE": str(pair.key),
    }
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(free)], env=environment, cwd=tmp_path)
    deadline = time.monotonic() + 20
    while socket.socket().connect_ex(("127.0.0.1", free)):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    yield free
    child.kill()
    child.wait()


def load(monkeypatch: pytest.MonkeyPatch, **settings: object) -> InternalApiSettings:
    for name, value in {"KAFKA_BOOTSTRAP_SERVERS": "nowhere:1", **settings}.items():
        monkeypatch.setenv(name, str(value))
    return load_settings(InternalApiSettings, OWN_SETTINGS)


def test_who_trusts_the_authority_calls_by_tls_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, port: int
) -> None:
    strange = load(monkeypatch).create_internal_tls_context()
    trusting = load(monkeypatch, INTERNAL_TLS_CA_FILE=authority.ca).create_internal_tls_context()
    url = f"https://127.0.0.1:{port}/health"
    assert httpx.get(url, verify=trusting).json() == {"status": "ok"}
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url, verify=strange)
    with pytest.raises(httpx.TransportError):
        httpx.get(url.replace("https", "http"))


def test_the_health_check_calls_such_a_service_by_tls(monkeypatch: pytest.MonkeyPatch, pair: Pair, port: int) -> None:
    monkeypatch.setenv("PORT", str(port))
    monkeypatch.setattr(sys, "argv", ["healthcheck"])
    with pytest.raises(SystemExit):
        healthcheck.main()
    monkeypatch.setenv("INTERNAL_TLS_CERT_FILE", str(pair.cert))
    healthcheck.main()


@pytest.mark.parametrize("wrong", ["INTERNAL_TLS_CERT_FILE", "INTERNAL_TLS_KEY_FILE", "INTERNAL_TLS_CA_FILE"])
def test_a_certificate_without_its_key_and_an_unreadable_file_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    with pytest.raises(SystemExit):
        load(monkeypatch, **{wrong: "/nowhere.pem"})
    assert wrong in capsys.readouterr().err


def test_without_files_there_is_no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch).internal_certificate is None
