"""A certificate authority for tests: makes the PEM files that a user would have."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as bytes of PEM files."""

    certificate: bytes
    key: bytes
    serial: str
    not_after: datetime

    def write(self, certificate: Path, key: Path) -> tuple[Path, Path]:
        certificate.write_bytes(self.certificate)
        key.write_bytes(self.key)
        return certificate, key


class Authority:
    """Signs certificates; whoever trusts `pem` trusts those and nobody else's."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        now = datetime.now(UTC)
        public = self._key.public_key()
        builder = _builder(self._name, self._name, public, now - timedelta(days=1), now + timedelta(days=10))
        uses = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(uses, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def issue(
        self,
        *names: str,
        ends: timedelta = timedelta(days=5),
        kind: type[ec.EllipticCurvePrivateKey] | type[rsa.RSAPrivateKey] = ec.EllipticCurvePrivateKey,
        passphrase: bytes | None = None,
    ) -> Issued:
        """For these names or IP addresses; for 127.0.0.1 when there are none. `ends` counts from now."""
        key: Key = ec.generate_private_key(ec.SECP256R1()) if kind is ec.EllipticCurvePrivateKey else _rsa()
        now = datetime.now(UTC).replace(microsecond=0)
        public = key.public_key()
        names = names or (LOOPBACK,)
        builder = _builder(_name(names[0]), self._name, public, now - timedelta(days=2), now + ends)
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_alternative, names))), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        secrecy = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
        return Issued(
            certificate.public_bytes(Encoding.PEM),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secrecy),
            f"{certificate.serial_number:X}",
            certificate.not_valid_after_utc,
        )

    def trusting(self) -> ssl.SSLContext:
        """What a client has who trusts this authority alone."""
        return ssl.create_default_context(cadata=self.pem.decode())


def serial_of(connection: ssl.SSLObject | ssl.SSLSocket) -> str:
    """The serial number of the certificate that the other side showed."""
    shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return f"{x509.load_der_x509_certificate(shown).serial_number:X}"


def _builder(subject, issuer, public, begin: datetime, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
