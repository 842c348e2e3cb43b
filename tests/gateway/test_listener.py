"""The gateway's port with TLS: who comes in, what HTTP is told there, that nobody holds up others, and that a new certificate serves without a restart."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import urllib3

from gateway.access import check_binding
from gateway.listener import PLAIN
from gateway.server import Node, gateway_tls
from tailrace.clock import SystemClock
from tailrace.errors import SettingError, TransientError
from tailrace.gateway_client import GatewayClient, gateway_ok
from tailrace.settings import Settings
from tests.certificates import Authority, Pair
from tests.gateway.running import running


@dataclass(frozen=True)
class Door:
    """A gateway with TLS that runs, and the files that it is made of."""

    url: str
    node: Node
    authority: Authority
    pair: Pair

    def client(self, **settings: Any) -> GatewayClient:
        return GatewayClient(Settings(gateway_address=self.url, gateway_client_authority=str(self.authority.file), **settings))

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    pair = authority.sign()
    with running(folder / "home", gateway_tls_certificate=str(pair.certificate), gateway_tls_key=str(pair.key)) as (url, node):
        yield Door(url, node, authority, pair)


def test_clients_of_our_own_speak_to_it_and_its_certificate_is_told(door: Door) -> None:
    told = door.client().ask("GET", "/healthz").json()
    assert told["certificates"]["gateway"]["names"] == ["localhost", "127.0.0.1"]
    assert told["certificates"]["gateway"]["days_left"] > 0
    assert b'tailrace_certificate_up{port="gateway"} 1.0' in door.client().ask("GET", "/metrics").body


def test_a_client_that_trusts_another_authority_says_which_setting_it_is(door: Door, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    settings = Settings(gateway_address=door.url, gateway_client_authority=str(other.file))
    with pytest.raises(TransientError, match="gateway_client_authority"):
        GatewayClient(settings).ask("GET", "/healthz")
    assert gateway_ok(settings, "/livez")() is False


def test_http_on_a_port_with_tls_is_told_so(door: Door) -> None:
    answer = urllib3.request("POST", door.url.replace("https:", "http:"), body=b"x" * 1_000_000, retries=False)
    assert (answer.status, orjson.loads(answer.data)["error"]["reason"]) == (400, PLAIN)


def test_who_hangs_in_the_handshake_or_sends_anything_holds_up_nobody(door: Door) -> None:
    silent, half, noise = door.connect(), door.connect(), door.connect()
    half.sendall(b"\x16\x03\x01")
    noise.sendall(b"\x16" * 600)
    assert all(door.client().ask("GET", "/livez").status == 200 for _ in range(3))
    assert noise.recv(100)[:1] in {b"", b"\x15"}  # the end, or an alert of TLS
    silent.close()
    half.close()
    until = time.monotonic() + 20
    while door.client().ask("GET", "/healthz").json()["certificates"]["gateway"]["failed_handshakes"] < 2:
        assert time.monotonic() < until


def test_a_new_certificate_serves_without_a_restart(door: Door) -> None:
    door.authority.sign(days=5)
    until = time.monotonic() + 20
    while (told := door.client().ask("GET", "/healthz").json())["certificates"]["gateway"]["days_left"] > 5:
        assert time.monotonic() < until
    assert [problem["why"] for problem in told["problems"]] == ["expires in 5.0 days"]
    door.authority.sign()


def test_with_an_authority_clients_must_bring_a_certificate_of_it_and_rows_go_from_one_tailrace_to_another(tmp_path: Path) -> None:
    authority, others = Authority(tmp_path), Authority(tmp_path, "others")
    pair, mine, stranger = authority.sign(), authority.sign("client"), others.sign("stranger")
    files: dict[str, Any] = {"gateway_tls_certificate": str(pair.certificate), "gateway_tls_key": str(pair.key), "gateway_tls_authority": str(authority.file)}
    client: dict[str, Any] = {
        "gateway_client_authority": str(authority.file),
        "gateway_client_certificate": str(mine.certificate),
        "gateway_client_key": str(mine.key),
    }
    with running(tmp_path / "there", **files) as (url, there):
        known = GatewayClient(Settings(gateway_address=url, **client))
        assert known.ask("GET", "/livez").status == 200
        with pytest.raises(TransientError):
            GatewayClient(Settings(gateway_address=url, gateway_client_authority=str(authority.file))).ask("GET", "/livez")
        unknown = client | {"gateway_client_certificate": str(stranger.certificate), "gateway_client_key": str(stranger.key)}
        with pytest.raises(TransientError):
            GatewayClient(Settings(gateway_address=url, **unknown)).ask("GET", "/livez")
        with running(tmp_path / "here", sink_tailrace_url=url, **client) as (door, here):
            body = b'{"create": {"_index": "logs-app"}}\n{"message": "over the wall", "@timestamp": "2026-11-24T09:00:00Z"}\n'
            assert urllib3.request("POST", f"{door}/_bulk", body=body, headers={"content-type": "application/x-ndjson"}).status == 200
            assert here.stream.flush()
        assert there.stream.flush()
        assert there.parts.engine.count("logs", {"query": {"match_all": {}}}) == 1


def test_beyond_this_machine_certificates_of_clients_do_where_there_is_no_token_and_tls_alone_does_not() -> None:
    check_binding("0.0.0.0", "", certificates=True)
    with pytest.raises(SettingError, match="gateway_tls_authority"):
        check_binding("0.0.0.0", "")


def test_a_key_without_a_certificate_is_one_clear_error() -> None:
    with pytest.raises(SettingError, match="need gateway_tls_certificate"):
        gateway_tls(Settings(gateway_tls_key="server.key"), SystemClock())
