"""How an installation is found, and how a visit reaches a gateway that knows itself by another address."""

import hashlib
from pathlib import Path

import httpx
import pytest

from merchant_sync import access, client, dev_secrets, runtime
from merchant_sync.client import Visit
from merchant_sync.environment import Environment, find_external_parts
from merchant_sync.origins import RedirectingTransport, get_origin
from merchant_sync.parts import StackError

ELSEWHERE = {
    "GATEWAY_URL": "http://gateway:5000",
    "SHOPIFY_REDIRECT_URI": "http://localhost:5000/shopify/callback",
    "SANDBOX_PUBLIC_URL": "http://sandbox:8090",
    "SPACES_ACCESS_KEY": "a",
    "SPACES_SECRET_KEY": "b",
    "SPACES_BUCKET": "c",
    "GATEWAY_KEY": "operator's",
    "SCHEDULER_DATABASE_URL": "postgresql://scheduler@elsewhere/db",
    "DATABASE_URL": "postgresql://everybody@elsewhere/db",
}


def test_settings_name_an_installation_that_runs_elsewhere(tmp_path: Path) -> None:
    there = access.resolve_access(tmp_path, {**ELSEWHERE, "UNKNOWN": "x", "SPACES_REGION": ""})
    assert not there.is_local
    assert there.get_setting("GATEWAY_KEY") == "operator's"
    assert there.get_database_url("scheduler").startswith("postgresql://scheduler@")
    assert there.get_database_url("gateway").startswith("postgresql://everybody@")
    assert there.bucket_endpoint == "https://nyc3.digitaloceanspaces.com"
    assert not there.get_setting("UNKNOWN")


def test_without_a_stack_and_without_settings_the_error_names_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"make up.*GATEWAY_URL.*GATEWAY_KEY"):
        access.resolve_access(tmp_path, {"SHOPIFY_REDIRECT_URI": "http://here/callback"})
    with pytest.raises(StackError, match="Set SCHEDULER_URL"):
        access.resolve_access(tmp_path, ELSEWHERE).require_settings("GATEWAY_URL", "SCHEDULER_URL")


def test_a_folder_of_settings_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SETTINGS_DIR", str(tmp_path / "not-mounted"))

    with pytest.raises(StackError, match=r"cannot read .*not-mounted: No such file"):
        access.locate_installation(tmp_path)


def test_the_stack_that_runs_on_the_folder_wins_over_settings(tmp_path: Path) -> None:
    secrets = dev_secrets.load_or_generate_secrets(tmp_path / "secrets.json")
    stack = Environment({}, secrets, lambda _: 4711)
    runtime.write(tmp_path, runtime.build_runtime(stack.gateway_url, stack.build_addresses(), {}))
    there = access.resolve_access(tmp_path, {**ELSEWHERE, "DATABASE_URL": ""})
    assert there.is_local
    assert there.gateway_url == stack.gateway_url
    assert there.get_setting("GATEWAY_KEY") == secrets["operator_to_gateway_key"]
    assert secrets["gateway_database_password"] in there.get_database_url("gateway")
    assert "operator_to_gateway_key" not in repr(there) and secrets["operator_to_gateway_key"] not in repr(there)


def test_the_keys_of_a_bucket_and_a_database_elsewhere_are_asked_for_and_not_invented(tmp_path: Path) -> None:
    secrets = dev_secrets.load_or_generate_secrets(tmp_path / "secrets.json")
    given = {"SPACES_ENDPOINT_URL": "https://store.example", "DATABASE_URL": "postgresql://u:p@elsewhere/db"}
    stack = Environment({**given, "SPACES_CA_FILE": "/ca.pem"}, secrets, lambda _: 4711)
    external = find_external_parts(given)
    runtime.write(tmp_path, runtime.build_runtime(stack.gateway_url, stack.build_addresses(), {}, external))
    there = access.resolve_access(tmp_path, {})
    assert (there.bucket_endpoint, there.get_setting("SPACES_CA_FILE")) == ("https://store.example", "/ca.pem")
    assert there.get_database_url("gateway") == ""
    with pytest.raises(StackError, match="SPACES_ACCESS_KEY, SPACES_SECRET_KEY"):
        Visit(there)


def test_an_object_store_that_refuses_is_an_error_that_says_what_to_give(tls_bucket: dict[str, str]) -> None:
    elsewhere = {**ELSEWHERE, **tls_bucket}
    assert Visit(access.Access(elsewhere)).load_object("nothing") is None
    for name in ("SPACES_CA_FILE", "SPACES_SECRET_KEY"):
        with pytest.raises(StackError, match=f"{name}") as raised:
            Visit(access.Access({**elsewhere, name: "" if name == "SPACES_CA_FILE" else "wrong"})).load_object("it")
        assert tls_bucket["SPACES_ENDPOINT_URL"] in str(raised.value)


def test_an_object_is_read_again_until_it_is_the_one_that_its_metadata_names(
    tls_bucket: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = access.Access({**ELSEWHERE, **tls_bucket})
    bucket, visit, pauses = client.create_bucket_client(there), Visit(there), []

    def put(body: bytes) -> None:
        named = {"sha256": hashlib.sha256(b"the whole document").hexdigest()}
        bucket.put_object(Bucket=visit.bucket, Key="mixed", Body=body, Metadata=named)

    monkeypatch.setattr(client.time, "sleep", pauses.append)
    put(b"the whole docu<Error>")
    with pytest.raises(StackError, match="mixed: what the bucket holds"):
        visit.load_object("mixed")
    assert len(pauses) == client.READS_OF_AN_OBJECT
    monkeypatch.setattr(client.time, "sleep", lambda _: put(b"the whole document"))
    stored = visit.load_object("mixed")
    assert stored and stored.body == b"the whole document"


def test_an_object_without_metadata_is_read_again_until_two_reads_agree(
    tls_bucket: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = access.Access({**ELSEWHERE, **tls_bucket})
    bucket, visit = client.create_bucket_client(there), Visit(there)
    bucket.put_object(Bucket=visit.bucket, Key="growing", Body=b"the whole docu")

    def finish(_seconds: float) -> None:
        bucket.put_object(Bucket=visit.bucket, Key="growing", Body=b"the whole document")

    monkeypatch.setattr(client.time, "sleep", finish)
    stored = visit.load_object("growing")
    assert stored and stored.body == b"the whole document"


def test_no_secret_is_in_the_runtime_file_of_a_stack(tmp_path: Path) -> None:
    secrets = dev_secrets.load_or_generate_secrets(tmp_path / "secrets.json")
    written = str(Environment({}, secrets, lambda _: 4711).build_addresses())
    assert not [name for name, value in secrets.items() if value in written]


def test_requests_for_the_gateways_own_address_are_sent_to_another() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"set-cookie": "session=1; Path=/"})

    transport = RedirectingTransport("http://gateway:5000", httpx.MockTransport(answer))
    with httpx.Client(mounts={"http://localhost:5000": transport}) as browser:
        browser.get("http://localhost:5000/shopify/callback?code=1")
        browser.post("http://localhost:5000/form", data={"a": "b"})
    assert [str(one.url) for one in seen] == [
        "http://gateway:5000/shopify/callback?code=1",
        "http://gateway:5000/form",
    ]
    assert {one.headers["host"] for one in seen} == {"localhost:5000"}
    assert seen[1].headers["cookie"] == "session=1"
    assert seen[1].read() == b"a=b"


def test_a_visit_uses_the_address_that_the_gateway_knows_itself_by(tmp_path: Path) -> None:
    visit = Visit(access.resolve_access(tmp_path, ELSEWHERE))
    assert visit.gateway_url == "http://localhost:5000"
    assert visit.sandbox_url == "http://sandbox:8090"
    assert get_origin("https://app.example/shopify/callback") == "https://app.example"
