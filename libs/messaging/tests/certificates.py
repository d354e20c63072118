"""Certificates for tests: an authority and the certificates that it signs, as PEM files."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key: one each, and one with both."""

    cert: Path
    key: Path
    both: Path


class Authority:
    """Signs certificates and writes them into `folder`. `ca` is its own certificate."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name, self._key = folder, name, ec.generate_private_key(ec.SECP256R1())
        self._certificate = _create_builder(name, name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(_encode_certificate(self._certificate.sign(self._key, hashes.SHA256())))

    def sign(self, name: str, *hosts: str) -> Pair:
        """Sign a certificate of `name` for a server on 127.0.0.1 and of the names `hosts`, or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        here = x509.IPAddress(ip_address("127.0.0.1"))
        names = x509.SubjectAlternativeName([here, *(x509.DNSName(host) for host in hosts)])
        certificate = _create_builder(name, self._name, key).add_extension(names, critical=False)
        pair = Pair(*(self._folder / f"{self._name}-{name}.{end}" for end in ("crt", "key", "both")))
        pair.cert.write_bytes(_encode_certificate(certificate.sign(self._key, hashes.SHA256())))
        pair.key.write_bytes(_encode_key(key, serialization.NoEncryption()))
        pair.both.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes())
        return pair


def encrypt_key(pair: Pair, passphrase: str) -> Path:
    """Write the key of `pair` encrypted with a passphrase, and return its file."""
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    assert isinstance(key, Key)
    path = pair.key.with_suffix(".encrypted")
    path.write_bytes(_encode_key(key, serialization.BestAvailableEncryption(passphrase.encode())))
    return path


def _create_builder(subject: str, issuer: str, key: Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_create_name(subject))
        .issuer_name(_create_name(issuer))
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
    )


def _create_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _encode_certificate(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _encode_key(key: Key, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
