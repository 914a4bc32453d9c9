"""TLS contexts made of PEM files: what maitre shows its clients, and what it asks of replicas.

TLS 1.2 and 1.3, ALPN http/1.1 and nothing else; ciphers and curves are Python's defaults. Every context is fresh: a
client's session outlives no change of the files, so that nobody resumes what another authority had allowed.

Whatever is wrong with a file is a CertificateRefused that names it. No message shows what is in a file. Called by
`router.store.certificates`, also off the event loop.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn

from router.errors import CertificateRefused

ALPN: Final = ("http/1.1",)
CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
KEY: Final = b" PRIVATE KEY-----"

STRANGE_KEY: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
"""How OpenSSL says that a key belongs to another certificate: of the same kind, of another one, by version."""


@dataclass(frozen=True, slots=True)
class Served:
    """What is shown to clients: one certificate, on both ports."""

    data: ssl.SSLContext
    """Asks for client certificates where it was told to."""
    admin: ssl.SSLContext
    """Never asks: who comes there has a token, and kubelets have no certificate."""
    serial: str
    """Hexadecimal, as in `openssl x509 -serial`."""
    not_after: datetime


def served(certificate: Path, key: Path, client_ca: Path | None, client_required: bool) -> Served:
    """Of a certificate (with its chain) and its key. Raises CertificateRefused."""
    data, admin = _server(certificate, key), _server(certificate, key)
    if client_ca is not None:
        _trust(data, client_ca)
        data.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_OPTIONAL
    serial, not_after = _identity(certificate)
    return Served(data, admin, serial, not_after)


def to_replicas(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Verifies replicas against `ca` or the system's authorities, always; with a certificate, shows it when asked.

    Raises CertificateRefused.
    """
    context = ssl.create_default_context() if ca is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    if ca is not None:
        _trust(context, ca)
    if certificate is not None:
        _identify(context, certificate, key or certificate)
    return context


def _server(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _harden(context)
    _identify(context, certificate, key)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(ALPN)


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    _check(ca, CERTIFICATE, "certificate")
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise CertificateRefused(f"{ca}: holds a certificate that cannot be read{_reason(error)}") from error
    except OSError as error:
        raise _unreadable(ca, error) from error


def _identify(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _check(certificate, CERTIFICATE, "certificate")
    _check(key, KEY, "private key")

    def refuse() -> NoReturn:  # OpenSSL would ask on the terminal
        raise CertificateRefused(f"{key}: the key is encrypted; maitre needs it without a passphrase")

    try:
        context.load_cert_chain(certificate, key, refuse)
    except ssl.SSLError as error:
        if error.reason in STRANGE_KEY:
            raise CertificateRefused(f"{key}: is not the key of the certificate in {certificate}") from error
        message = f"{certificate} and {key}: are not a certificate and its private key{_reason(error)}"
        raise CertificateRefused(message) from error
    except OSError as error:
        raise _unreadable(certificate, error) from error


def _check(file: Path, marker: bytes, what: str) -> None:
    """OpenSSL does not say which of its files is wrong, or why."""
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise CertificateRefused(f"{file}: is not a regular file")
        content = file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error
    if marker not in content:
        raise CertificateRefused(f"{file}: there is no {what} in PEM format in it")


def _identity(certificate: Path) -> tuple[str, datetime]:
    """Serial number and end of the first certificate in the file, the one that is shown."""
    from cryptography import x509  # noqa: PLC0415  15 MB, which only those who serve TLS should pay

    try:
        leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as error:
        raise CertificateRefused(f"{certificate}: holds a certificate that cannot be read") from error
    except OSError as error:
        raise _unreadable(certificate, error) from error
    return f"{leaf.serial_number:X}", leaf.not_valid_after_utc


def _unreadable(file: Path, error: OSError) -> CertificateRefused:
    return CertificateRefused(f"{file}: cannot be read: {error.strerror or error}")


def _reason(error: ssl.SSLError) -> str:
    return f" ({error.reason.lower().replace('_', ' ')})" if error.reason else ""
