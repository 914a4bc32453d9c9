"""Contexts made of files: what they allow, and what is said of files that cannot be used."""

import os
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from router.errors import CertificateRefused
from router.store.contexts import served, to_replicas
from tests.fakes.authority import Authority, Issued

AUTHORITY = Authority()
GOOD = AUTHORITY.issue("digits.example.com", ends=timedelta(days=3))
OTHER = AUTHORITY.issue("digits.example.com")
RSA = AUTHORITY.issue("digits.example.com", kind=rsa.RSAPrivateKey)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return GOOD.write(tmp_path / "cert.pem", tmp_path / "key.pem")


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    return tmp_path / "ca.pem"


def test_what_clients_are_shown(files):
    made = served(*files, None, True)
    assert (made.serial, made.not_after) == (GOOD.serial, GOOD.not_after)
    for context in (made.data, made.admin):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.maximum_version in (ssl.TLSVersion.MAXIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_3)
        assert context.verify_mode is ssl.CERT_NONE
        assert context.options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize(("required", "mode"), [(True, ssl.CERT_REQUIRED), (False, ssl.CERT_OPTIONAL)])
def test_clients_are_asked_for_certificates_on_the_data_port_alone(files, ca, required, mode):
    made = served(*files, ca, required)
    assert made.data.verify_mode is mode
    assert made.data.cert_store_stats()["x509_ca"] == 1, "this authority and none of the system's"
    assert made.admin.verify_mode is ssl.CERT_NONE


def test_the_certificate_of_a_chain_is_its_first(files, tmp_path):
    files[0].write_bytes(GOOD.certificate + AUTHORITY.pem)
    assert served(*files, None, True).serial == GOOD.serial


@pytest.mark.parametrize("with_ca", [True, False])
def test_replicas_are_always_verified(ca, with_ca):
    context = to_replicas(ca if with_ca else None, None, None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert not with_ca or context.cert_store_stats()["x509_ca"] == 1


def test_key_and_certificate_to_replicas_may_be_in_one_file(files, ca, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(GOOD.key + GOOD.certificate)
    to_replicas(ca, both, None)
    to_replicas(ca, *files)


def halved(issued: Issued) -> bytes:
    return issued.certificate[: len(issued.certificate) // 2]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("cert.pem", None, "{cert}: cannot be read: No such file or directory"),
        ("cert.pem", b"", "{cert}: there is no certificate in PEM format in it"),
        ("cert.pem", GOOD.key, "{cert}: there is no certificate in PEM format in it"),
        ("cert.pem", halved(GOOD), "{cert} and {key}: are not a certificate and its private key"),
        ("key.pem", None, "{key}: cannot be read: No such file or directory"),
        ("key.pem", GOOD.certificate, "{key}: there is no private key in PEM format in it"),
        pytest.param(
            "key.pem", GOOD.key[:100], "{cert} and {key}: are not a certificate and its private key", id="half a key"
        ),
        ("key.pem", OTHER.key, "{key}: is not the key of the certificate in {cert}"),
        ("key.pem", RSA.key, "{key}: is not the key of the certificate in {cert}"),
        (
            "key.pem",
            AUTHORITY.issue(passphrase=b"secret").key,
            "{key}: the key is encrypted; maitre needs it without a passphrase",
        ),
        ("ca.pem", None, "{ca}: cannot be read: No such file or directory"),
        ("ca.pem", b"nobody", "{ca}: there is no certificate in PEM format in it"),
        ("ca.pem", halved(GOOD), "{ca}: holds a certificate that cannot be read"),
    ],
)
def test_wrong_files_are_named_with_what_is_wrong_and_nothing_of_their_content(
    files, ca, tmp_path, file, content, said
):
    cert, key = files
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    for make in (lambda: served(cert, key, ca, True), lambda: to_replicas(ca, cert, key)):
        with pytest.raises(CertificateRefused) as refused:
            make()
        assert str(refused.value).startswith(said.format(cert=cert, key=key, ca=ca))
        assert len(str(refused.value)) < len(said.format(cert=cert, key=key, ca=ca)) + 60


@pytest.mark.timeout(5)
def test_a_pipe_is_not_waited_for(files, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CertificateRefused, match="pipe: is not a regular file"):
        served(tmp_path / "pipe", files[1], None, True)
