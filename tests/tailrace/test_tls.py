"""What a server makes of its files of TLS, at the start and when they change."""

import ssl
from pathlib import Path

import pytest

from tailrace.clock import ManualClock, SystemClock
from tailrace.errors import SettingError
from tailrace.tls import LOOK_EVERY_S, ServerTls, TlsFiles, client_context
from tests.certificates import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now_us())


def files(pair: Pair, authority: str = "") -> TlsFiles:
    return TlsFiles("gateway_tls", str(pair.certificate), str(pair.key), authority)


def served(tls: ServerTls, trusted: Path) -> int:
    """Shake hands in memory; answer the serial number of the certificate that is served."""
    client = client_context("client", str(trusted))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    there = tls.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (here, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return int(str((here.getpeercert() or {})["serialNumber"]), 16)


def test_new_files_serve_new_connections(authority: Authority, clock: ManualClock) -> None:
    tls = ServerTls(files(authority.sign("renewed")), clock)
    first = served(tls, authority.file)
    authority.sign("renewed", days=30)
    assert served(tls, authority.file) == first  # it looked a moment ago
    clock.sleep(LOOK_EVERY_S)
    assert served(tls, authority.file) != first
    assert tls.status()["days_left"] == pytest.approx(30, abs=0.1)


def test_files_that_cannot_be_used_leave_the_old_ones_and_are_told(authority: Authority, clock: ManualClock) -> None:
    pair = authority.sign("spoilt")
    tls = ServerTls(files(pair), clock)
    first, whole = served(tls, authority.file), pair.certificate.read_bytes()
    pair.certificate.write_bytes(whole[:100])
    clock.sleep(LOOK_EVERY_S)
    assert served(tls, authority.file) == first
    assert "the new files cannot be used, the old ones serve: gateway_tls_certificate" in tls.status()["error"]
    pair.certificate.unlink()
    clock.sleep(LOOK_EVERY_S)
    assert "cannot be read" in tls.status()["error"]
    pair.certificate.write_bytes(whole)
    clock.sleep(LOOK_EVERY_S)
    assert (served(tls, authority.file), tls.status()["error"]) == (first, "")


def test_a_certificate_that_has_expired_serves_and_says_so(authority: Authority, clock: ManualClock) -> None:
    tls = ServerTls(files(authority.sign("old", days=-2)), clock)
    assert tls.status()["error"] == "the certificate has expired 2.0 days ago"
    assert tls.status()["days_left"] == pytest.approx(-2, abs=0.1)


def test_the_names_of_the_certificate_are_known(authority: Authority, clock: ManualClock) -> None:
    tls = ServerTls(files(authority.sign()), clock)
    assert [tls.names(host) for host in ("localhost", "LOCALHOST.", "127.0.0.1", "logs.example", "0.0.0.0")] == [True, True, True, False, False]


def test_versions_before_1_2_are_refused(authority: Authority, clock: ManualClock) -> None:
    assert ServerTls(files(authority.sign()), clock).context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert client_context("client").minimum_version is ssl.TLSVersion.TLSv1_2


def test_what_is_wrong_with_the_files_is_said_at_the_start(authority: Authority, clock: ManualClock, tmp_path: Path) -> None:
    good, other = authority.sign("good"), authority.sign("other")
    secret, text = authority.sign("secret", password=b"word"), tmp_path / "text.pem"
    text.write_text("no certificate")
    for found, message in (
        (TlsFiles("gateway_tls", "nosuch.pem"), "gateway_tls_certificate = nosuch.pem: cannot be read: No such file"),
        (TlsFiles("gateway_tls", str(good.certificate), "nosuch.key"), "gateway_tls_key = nosuch.key: cannot be read: No such file"),
        (TlsFiles("gateway_tls", str(tmp_path)), "cannot be read: Is a directory"),
        (TlsFiles("gateway_tls", str(text)), "text.pem: holds no certificate"),
        (TlsFiles("gateway_tls", str(good.certificate)), "good.pem: holds no key that can be used"),
        (TlsFiles("gateway_tls", str(good.certificate), str(other.key)), "other.key: is not the key of the certificate"),
        (TlsFiles("gateway_tls", str(good.certificate), str(text)), "text.pem: holds no key that can be used"),
        (TlsFiles("gateway_tls", str(secret.certificate), str(secret.key)), "the key is encrypted"),
        (files(good, str(text)), "gateway_tls_authority = .*text.pem: holds no certificate"),
    ):
        with pytest.raises(SettingError, match=message):
            ServerTls(found, clock)


def test_a_client_says_what_is_wrong_with_its_files(authority: Authority, tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    with pytest.raises(SettingError, match=r"gateway_client_authority = .*text.pem: holds no certificate"):
        client_context("gateway_client", str(text))
    with pytest.raises(SettingError, match=r"gateway_client_certificate = nosuch.pem: cannot be read"):
        client_context("gateway_client", certificate="nosuch.pem")
