"""Files that change: the last good pair stays in force, whatever the order in which its files are written."""

import asyncio
import logging
import ssl
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import CertificateRefused
from router.model.spec import UpstreamTls
from router.store import certificates as module
from router.store.certificates import Certificates, Kept
from tests.fakes.authority import Authority, Issued

AUTHORITY = Authority()
PAIRS = [AUTHORITY.issue(), AUTHORITY.issue()]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return PAIRS[0].write(tmp_path / "cert.pem", tmp_path / "key.pem")


def replace(file: Path, content: bytes) -> None:
    """As an editor or a certificate manager does: whole, by renaming."""
    part = file.with_suffix(".part")
    part.write_bytes(content)
    part.replace(file)


async def test_a_new_pair_is_in_force_at_the_next_look(files, caplog):
    caplog.set_level(logging.INFO)
    certificates = Certificates()
    kept = certificates.serve(*files)
    first = kept.get()
    await certificates.look()
    assert kept.get() is first, "nothing changed"
    replace(files[0], PAIRS[1].certificate)
    await certificates.look()
    assert kept.get() is first, "its key has not come yet"
    assert certificates.problems() == (f"{files[1]}: is not the key of the certificate in {files[0]}",)
    await certificates.look()
    replace(files[1], PAIRS[1].key)
    await certificates.look()
    assert (kept.get().serial, certificates.problems()) == (PAIRS[1].serial, ())
    assert certificates.expiry == PAIRS[1].not_after.timestamp()
    assert [record.getMessage() for record in caplog.records] == [
        "certificate in force",
        "a TLS file cannot be used",
        "certificate in force",
        "no longer a problem",
    ], "each problem once, however long it lasts"


async def test_a_mounted_secret_is_swapped_by_a_link(tmp_path):
    """The kubelet's way: ..data points to a directory of a version, and is renamed over."""
    for version, pair in enumerate(PAIRS):
        (tmp_path / f"..v{version}").mkdir()
        pair.write(tmp_path / f"..v{version}" / "tls.crt", tmp_path / f"..v{version}" / "tls.key")
    (tmp_path / "..data").symlink_to("..v0")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    certificates = Certificates()
    kept = certificates.serve(tmp_path / "tls.crt", tmp_path / "tls.key")
    (tmp_path / "..new").symlink_to("..v1")
    (tmp_path / "..new").rename(tmp_path / "..data")
    await certificates.look()
    assert kept.get().serial == PAIRS[1].serial


async def test_another_authority_of_clients_is_taken_too(files, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_bytes(AUTHORITY.pem)
    certificates = Certificates()
    kept = certificates.serve(*files, ca)
    before = kept.get().data.get_ca_certs(binary_form=True)
    ca.write_bytes(Authority("another").pem)
    await certificates.look()
    assert kept.get().data.get_ca_certs(binary_form=True) != before


async def test_watching_takes_what_changes_within_a_second(files, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    certificates = Certificates()
    kept = certificates.serve(*files)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
        watching = tasks.create_task(certificates.watch())
        PAIRS[1].write(*files)
        while kept.get().serial != PAIRS[1].serial:
            await asyncio.sleep(0.001)
        watching.cancel()


def test_what_is_wrong_to_begin_with_is_raised(tmp_path):
    certificates = Certificates()
    with pytest.raises(CertificateRefused, match=r"none\.pem: cannot be read"):
        certificates.serve(tmp_path / "none.pem", tmp_path / "none.pem")
    assert (certificates.expiry, certificates.problems()) == (None, ())


Write = st.tuples(st.sampled_from(["cert", "key"]), st.sampled_from(["first", "second", "half", "garbage", "gone"]))


@given(st.lists(Write, max_size=12))
def test_in_force_is_always_the_pair_that_was_whole_last(writes):
    def content(file: str, what: str) -> bytes:
        if what in ("first", "second"):
            return getattr(PAIRS[what == "second"], "certificate" if file == "cert" else "key")
        whole = PAIRS[0].certificate if file == "cert" else PAIRS[0].key
        return whole[: len(whole) // 2] if what == "half" else b"garbage"

    with tempfile.TemporaryDirectory() as directory:
        files = PAIRS[0].write(Path(directory, "cert"), Path(directory, "key"))
        kept = Kept(files, lambda: module.contexts.served(*files, None, False))
        now, whole = {"cert": "first", "key": "first"}, "first"
        for file, what in writes:
            path = Path(directory, file)
            if what == "gone":
                path.unlink(missing_ok=True)
            else:
                replace(path, content(file, what))
            now[file] = what
            kept.reading = kept.look()
            if now["cert"] == now["key"] and what in ("first", "second"):
                whole = what
            assert kept.get().serial == PAIRS[whole == "second"].serial
            assert (kept.reading.problem is None) is (now["cert"] == now["key"] in ("first", "second"))


# -- to replicas ---------------------------------------------------------------------------------------------------


def write(directory: Path, issued: Issued = PAIRS[0]) -> UpstreamTls:
    (directory / "ca.pem").write_bytes(AUTHORITY.pem)
    issued.write(directory / "cert.pem", directory / "key.pem")
    return UpstreamTls(ca_file="ca.pem", cert_file="cert.pem", key_file="key.pem")


def test_the_same_files_share_a_context_and_the_name_is_each_ones_own(tmp_path):
    certificates, tls = Certificates(), write(tmp_path)
    one = certificates.for_replicas(tls, tmp_path)
    two = certificates.for_replicas(tls.model_copy(update={"server_name": "model"}), tmp_path)
    other = certificates.for_replicas(UpstreamTls(ca_file="ca.pem"), tmp_path)
    assert one == certificates.for_replicas(tls, tmp_path) != two
    assert (one.server_name, two.server_name) == (None, "model")
    assert one.context() is two.context() is not other.context()


def test_what_nobody_uses_is_forgotten(tmp_path):
    certificates, tls = Certificates(), UpstreamTls(ca_file="none.pem")
    one, two = certificates.for_replicas(tls, tmp_path), certificates.for_replicas(tls, tmp_path)
    certificates.release(one)
    assert repr(certificates) == "<Certificates to_replicas=1 problems=1>"
    certificates.release(two)
    assert repr(certificates) == "<Certificates to_replicas=0 problems=0>"


async def test_a_missing_file_means_no_connection_until_it_comes(tmp_path, caplog):
    tls = write(tmp_path)
    (tmp_path / "ca.pem").unlink()
    certificates = Certificates()
    replicas = certificates.for_replicas(tls, tmp_path)
    problem = f"{tmp_path}/ca.pem: cannot be read: No such file or directory"
    assert certificates.problems() == (problem,)
    assert caplog.text.count("a TLS file cannot be used") == 1
    for _ in range(2):
        with pytest.raises(CertificateRefused, match=r"ca\.pem: cannot be read"):
            replicas.context()
        await certificates.look()
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
    await certificates.look()
    assert replicas.context().verify_mode is ssl.CERT_REQUIRED
    assert certificates.problems() == ()


async def test_a_file_that_goes_later_takes_nothing_away(tmp_path):
    certificates = Certificates()
    replicas = certificates.for_replicas(write(tmp_path), tmp_path)
    before = replicas.context()
    (tmp_path / "key.pem").unlink()
    await certificates.look()
    assert replicas.context() is before
    assert len(certificates.problems()) == 1
