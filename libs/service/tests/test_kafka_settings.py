"""Kafka's settings: whole ones make brokers, half ones and files that are none stop the start by name."""

from pathlib import Path

import pytest

from certificates import Authority, locked
from service.settings import KafkaSettings, load_settings

LOGIN = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_USERNAME": "me", "KAFKA_PASSWORD": "mine-alone"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "brokers")


def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **settings: object) -> KafkaSettings:
    monkeypatch.chdir(tmp_path)
    for name, value in {"KAFKA_BOOTSTRAP_SERVERS": "one:1,two:2", **settings}.items():
        monkeypatch.setenv(name, str(value))
    return load_settings(KafkaSettings)


def test_kafka_is_spoken_to_in_the_clear_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    brokers = given(monkeypatch, tmp_path).build_brokers()
    assert brokers.client_options == {
        "bootstrap_servers": ["one:1", "two:2"],
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_login_goes_to_every_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mechanism: str) -> None:
    settings = given(monkeypatch, tmp_path, **LOGIN, KAFKA_SASL_MECHANISM=mechanism)
    client = settings.build_brokers().client_options
    assert {name: client[name] for name in client if "sasl" in name or "protocol" in name} == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "me",
        "sasl_plain_password": "mine-alone",
    }
    assert "mine-alone" not in repr(settings) + repr(settings.build_brokers())


def test_files_make_the_tls_of_every_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    pair = authority.sign("client")
    files = {"KAFKA_CA_FILE": authority.ca, "KAFKA_CERT_FILE": pair.cert, "KAFKA_KEY_FILE": pair.key}
    client = given(monkeypatch, tmp_path, KAFKA_SECURITY_PROTOCOL="SSL", **files).build_brokers().client_options
    trusted = client["ssl_context"].get_ca_certs()
    assert client["security_protocol"] == "SSL"
    assert [certificate["subject"] for certificate in trusted] == [((("commonName", "brokers"),),)]


def test_the_systems_authorities_are_trusted_where_none_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = (
        given(monkeypatch, tmp_path, **{**LOGIN, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}).build_brokers().client_options
    )
    assert client["ssl_context"].check_hostname
    assert client["security_protocol"] == "SASL_SSL"


HALF = {
    "no login": ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_USERNAME, KAFKA_PASSWORD: required"),
    "no user": ({**LOGIN, "KAFKA_USERNAME": ""}, "KAFKA_USERNAME: required"),
    "no password": ({**LOGIN, "KAFKA_PASSWORD": ""}, "KAFKA_PASSWORD: required"),
    "a login for nothing": (
        {**LOGIN, "KAFKA_SECURITY_PROTOCOL": "SSL"},
        "KAFKA_USERNAME, KAFKA_PASSWORD: must be left out",
    ),
    "authorities for nothing": ({"KAFKA_CA_FILE": "ca.pem"}, "KAFKA_CA_FILE: must be left out"),
    "no key": ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CERT_FILE": "c"}, "KAFKA_KEY_FILE: required"),
    "no certificate": ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_KEY_FILE": "k"}, "KAFKA_CERT_FILE: required"),
    "no such file": (
        {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": "gone.pem"},
        "KAFKA_CA_FILE: gone.pem cannot be read: No such file",
    ),
    "no such certificate": (
        {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CERT_FILE": "gone.crt", "KAFKA_KEY_FILE": "gone.key"},
        "KAFKA_CERT_FILE, KAFKA_KEY_FILE: gone.crt cannot be read: No such file",
    ),
    "no such protocol": ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL: Input should be 'PLAINTEXT'"),
    "no such mechanism": ({**LOGIN, "KAFKA_SASL_MECHANISM": "GSSAPI"}, "KAFKA_SASL_MECHANISM: Input should be 'PLAIN'"),
}


def refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], **settings: object
) -> str:
    with pytest.raises(SystemExit):
        given(monkeypatch, tmp_path, **settings)
    said = capsys.readouterr().err
    assert said.startswith("cannot start, setting ")
    assert "mine-alone" not in said
    return said


@pytest.mark.parametrize(("settings", "said"), HALF.values(), ids=HALF)
def test_half_of_what_is_needed_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    said: str,
) -> None:
    assert said in refused(monkeypatch, tmp_path, capsys, **settings)


def test_a_file_that_is_no_pem_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], authority: Authority
) -> None:
    pair, none = authority.sign("client"), tmp_path / "none.pem"
    none.write_text("nothing of the kind")
    tls = {"KAFKA_SECURITY_PROTOCOL": "SSL"}
    assert f"KAFKA_CA_FILE: {none} holds no certificate" in refused(
        monkeypatch, tmp_path, capsys, **tls, KAFKA_CA_FILE=none
    )
    monkeypatch.delenv("KAFKA_CA_FILE")
    for key in (none, locked(pair, "passphrase"), authority.sign("other").key):
        said = refused(monkeypatch, tmp_path, capsys, **tls, KAFKA_CERT_FILE=pair.cert, KAFKA_KEY_FILE=key)
        assert f"KAFKA_CERT_FILE, KAFKA_KEY_FILE: {pair.cert} and {key} are no certificate and its key" in said
