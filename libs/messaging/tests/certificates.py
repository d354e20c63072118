"""Certificates for tests: an authority of one's own, and what it signs, as PEM files."""

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
    """A certificate and its key, apart and in one file."""

    cert: Path
    key: Path
    both: Path


class Authority:
    """Signs certificates and writes them into `folder`; its own is `ca`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name, self._key = folder, name, ec.generate_private_key(ec.SECP256R1())
        self._certificate = _builder(name, name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(_pem(self._certificate.sign(self._key, hashes.SHA256())))

    def sign(self, name: str) -> Pair:
        """A certificate of `name`, good for a server on 127.0.0.1 and for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        certificate = _builder(name, self._name, key).add_extension(names, critical=False)
        pair = Pair(*(self._folder / f"{self._name}-{name}.{end}" for end in ("crt", "key", "both")))
        pair.cert.write_bytes(_pem(certificate.sign(self._key, hashes.SHA256())))
        pair.key.write_bytes(_private(key, serialization.NoEncryption()))
        pair.both.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes())
        return pair


def locked(pair: Pair, passphrase: str) -> Path:
    """The key of a pair under a passphrase."""
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    assert isinstance(key, Key)
    path = pair.key.with_suffix(".locked")
    path.write_bytes(_private(key, serialization.BestAvailableEncryption(passphrase.encode())))
    return path


def _builder(subject: str, issuer: str, key: Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    called, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer))
    dated = x509.CertificateBuilder().not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    named = dated.subject_name(called).issuer_name(by).serial_number(x509.random_serial_number())
    return named.public_key(key.public_key())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: Key, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
