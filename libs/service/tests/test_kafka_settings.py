"""Settings of Kafka: complete ones become brokers; incomplete ones and unreadable files end the process by name."""

from pathlib import Path

import pytest

from certificates import Authority, encrypt_key
from service.known_settings import OWN_SETTINGS
from service.settings import KafkaSettings, load_settings

LOGIN = {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_USERNAME": "me", "KAFKA_PASSWORD": "mine-alone"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "brokers")


def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **settings: object) -> KafkaSettings:
    monkeypatch.chdir(tmp_path)
    for name, value in {"KAFKA_BOOTSTRAP_SERVERS": "one:1,two:2", **settings}.items():
        monkeypatch.setenv(name, str(value))
    return load_settings(KafkaSettings, OWN_SETTINGS)


def test_connections_are_plain_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    brokers = load(monkeypatch, tmp_path).build_brokers()
    assert brokers.client_options == {
        "bootstrap_servers": ["one:1", "two:2"],
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_login_is_passed_to_every_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mechanism: str) -> None:
    settings = load(monkeypatch, tmp_path, **LOGIN, KAFKA_SASL_MECHANISM=mechanism)
    client = settings.build_brokers().client_options
    assert {name: client[name] for name in client if "sasl" in name or "protocol" in name} == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "me",
        "sasl_plain_password": "mine-alone",
    }
    assert "mine-alone" not in repr(settings) + repr(settings.build_brokers())


def test_certificate_files_are_passed_to_every_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    pair = authority.sign("client")
    files = {"KAFKA_CA_FILE": authority.ca, "KAFKA_CERT_FILE": pair.cert, "KAFKA_KEY_FILE": pair.key}
    client = load(monkeypatch, tmp_path, KAFKA_SECURITY_PROTOCOL="SSL", **files).build_brokers().client_options
    trusted = client["ssl_context"].get_ca_certs()
    assert client["security_protocol"] == "SSL"
    assert [certificate["subject"] for certificate in trusted] == [((("commonName", "brokers"),),)]


def test_without_a_ca_file_the_authorities_of_the_system_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = (
        load(monkeypatch, tmp_path, **{**LOGIN, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}).build_brokers().client_options
    )
    assert client["ssl_context"].check_hostname
    assert client["security_protocol"] == "SASL_SSL"


INCOMPLETE = {
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


def load_and_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], **settings: object
) -> str:
    with pytest.raises(SystemExit):
        load(monkeypatch, tmp_path, **settings)
    output = capsys.readouterr().err
    assert output.startswith("cannot start, setting ")
    assert "mine-alone" not in output
    return output


@pytest.mark.parametrize(("settings", "message"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_incomplete_settings_end_the_process(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    message: str,
) -> None:
    assert message in load_and_fail(monkeypatch, tmp_path, capsys, **settings)


def test_a_file_that_is_not_pem_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], authority: Authority
) -> None:
    pair, text_file = authority.sign("client"), tmp_path / "text.pem"
    text_file.write_text("nothing of the kind")
    tls = {"KAFKA_SECURITY_PROTOCOL": "SSL"}
    assert f"KAFKA_CA_FILE: {text_file} holds no certificate" in load_and_fail(
        monkeypatch, tmp_path, capsys, **tls, KAFKA_CA_FILE=text_file
    )
    monkeypatch.delenv("KAFKA_CA_FILE")
    for key in (text_file, encrypt_key(pair, "passphrase"), authority.sign("other").key):
        output = load_and_fail(monkeypatch, tmp_path, capsys, **tls, KAFKA_CERT_FILE=pair.cert, KAFKA_KEY_FILE=key)
        assert f"KAFKA_CERT_FILE, KAFKA_KEY_FILE: {pair.cert} and {key} are no certificate and its key" in output
