"""Syslog's ports: UDP, TCP and TLS, by plain sockets and by the programs that machines have for it."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from collectors.sources import syslog, tcp_server
from collectors.sources.batcher import MAX_WAITING_BYTES
from collectors.sources.datagrams import kernel_drops
from collectors.sources.syslog import SyslogServer
from firehose.delivery import MemoryStream
from sandbox.checks import free_port
from tailrace.clock import SystemClock
from tailrace.errors import SettingError
from tailrace.settings import Settings
from tests.collectors.envelopes.otlp.requests import assert_balanced, rows_of
from tests.collectors.sources.doors import Gate, certificate, collector_of, dropped, until

OLD = b"<34>Oct 11 22:14:15 mymachine su: failed for lonvick"
NEW = b'<165>1 2026-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3"] an application event'


@contextmanager
def listening(stream: Any, **settings: Any) -> Iterator[tuple[SyslogServer, int]]:
    port = settings.pop("syslog_port", None)
    port = free_port(udp=True) if port is None else port
    max_waiting_bytes = settings.pop("max_waiting_bytes", MAX_WAITING_BYTES)
    with SyslogServer(collector_of(stream), Settings(syslog_port=port, **settings), SystemClock(), max_waiting_bytes) as server:
        yield server, port


@pytest.fixture
def stream() -> MemoryStream:
    return MemoryStream()


def tcp(port: int, *data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        for piece in data:
            one.sendall(piece)


def udp(port: int, *data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for piece in data:
            one.sendto(piece, ("127.0.0.1", port))


def messages(stream: MemoryStream) -> list[str]:
    return [row["message"] for row in rows_of(stream, "logs")]


def test_both_forms_of_syslog_are_read_from_every_port(stream: MemoryStream) -> None:
    with listening(stream) as (_, port):
        udp(port, OLD, NEW + b"\n")
        tcp(port, OLD + b"\n", NEW + b"\r\n")
        tcp(port, b"%d %b" % (len(OLD), OLD), b"%d %b" % (len(NEW), NEW))
        until(lambda: len(messages(stream)) == 6)
    rows = rows_of(stream, "logs")
    assert sorted(row["log.format"] for row in rows) == ["host.syslog_rfc3164"] * 3 + ["host.syslog_rfc5424"] * 3
    assert {row["log.source"] for row in rows} == {"syslog:127.0.0.1"}
    assert {(row["service.name"], row["message"]) for row in rows} == {("su", "failed for lonvick"), ("evntslog", "an application event")}
    assert len({row["event_id"] for row in rows}) == 6
    assert_balanced(stream)


def test_messages_are_put_in_few_deliveries_and_in_their_order(stream: MemoryStream) -> None:
    with listening(stream) as (server, port):
        tcp(port, b"".join(b"<13>Oct 11 22:14:15 h app: line %d\n" % n for n in range(5_000)))
        until(lambda: server.status()["put"] == 5_000)
        assert len(stream.deliveries) <= 20
    assert messages(stream) == [f"line {n}" for n in range(5_000)]


def test_a_message_is_an_event_of_its_own_whatever_it_looks_like(stream: MemoryStream) -> None:
    with listening(stream) as (_, port):
        tcp(port, b"ERROR failed\n", b"\tat a.b.C(C.java:1)\n", b"\n", b"fine\n")
        until(lambda: len(messages(stream)) == 3)
    assert messages(stream) == ["ERROR failed", "\tat a.b.C(C.java:1)", "fine"]
    assert dropped(stream) == {"empty-line": 1}


def test_what_has_arrived_is_put_when_it_stops(stream: MemoryStream) -> None:
    with listening(stream) as (server, port), socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(OLD + b"\n" + b"<13>not yet at its end")
        udp(port, *[NEW] * 50)
        until(lambda: server.status()["received"] == 51)
    assert len(messages(stream)) == 52
    assert "not yet at its end" in messages(stream)[0] + "".join(messages(stream))


def test_a_message_that_is_too_long_is_cut_and_counted(stream: MemoryStream) -> None:
    with listening(stream) as (server, port):
        tcp(port, b"<13>" + b"x" * 600_000 + b"\n" + OLD + b"\n")
        until(lambda: server.status()["put"] == 4)
        until(lambda: server.status()["cut"] == 1)
    assert sum(len(row.get("raw", row["message"])) for row in rows_of(stream, "logs")) == 600_004 + len(OLD)


def test_wrong_counts_are_counted_and_nothing_is_lost(stream: MemoryStream) -> None:
    with listening(stream) as (server, port):
        tcp(port, b"4 <1>ahello\nworld\n")
        tcp(port, b"999999999 <1>cut")
        until(lambda: server.status()["framing_faults"] == 2)
        until(lambda: len(messages(stream)) == 4)
    assert sorted(messages(stream)) == ["<1>a", "<1>cut", "hello", "world"]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x00" * 50 + b"a", b"<999999>x", b"<>", b"<34>" * 50, b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n"])
def test_bytes_that_are_no_syslog_are_lines_all_the_same(stream: MemoryStream, data: bytes) -> None:
    with listening(stream) as (server, port):
        udp(port, data)
        tcp(port, data + b"\n" + OLD + b"\n")
        until(lambda: "failed for lonvick" in messages(stream) and server.status()["received"] >= 3)
    assert_balanced(stream)


@pytest.mark.parametrize("whose", ["syslog", "gateway"])
def test_tls_is_spoken_on_its_own_port_with_a_certificate_of_its_own_or_the_gateways(stream: MemoryStream, tmp_path: Path, whose: str) -> None:
    public, private = certificate(tmp_path)
    tls_port = free_port()
    settings = {"syslog_tls_port": tls_port, f"{whose}_tls_certificate": str(public), f"{whose}_tls_key": str(private)}
    with listening(stream, **settings) as (server, _):
        context = ssl.create_default_context(cafile=str(public))
        with socket.create_connection(("127.0.0.1", tls_port)) as plain, context.wrap_socket(plain, server_hostname="localhost") as one:
            one.sendall(b"%d %b" % (len(NEW), NEW))
            until(lambda: len(messages(stream)) == 1)
        tcp(tls_port, OLD + b"\n")
        until(lambda: server.status()["connections"] == 0)
    assert len(messages(stream)) == 1


def test_senders_of_tls_may_have_to_bring_a_certificate(stream: MemoryStream, tmp_path: Path) -> None:
    public, private = certificate(tmp_path)
    own, own_key = certificate(tmp_path, "sender")
    tls_port = free_port()
    settings = {"syslog_tls_port": tls_port, "syslog_tls_certificate": str(public), "syslog_tls_key": str(private), "syslog_tls_authority": str(own)}
    with listening(stream, syslog_port=0, **settings):
        context = ssl.create_default_context(cafile=str(public))
        with (
            suppress(ssl.SSLError, ConnectionError),
            socket.create_connection(("127.0.0.1", tls_port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as one,
        ):
            one.sendall(NEW + b"\n")
            assert one.recv(1) == b""
        context.load_cert_chain(own, own_key)
        with socket.create_connection(("127.0.0.1", tls_port)) as plain, context.wrap_socket(plain, server_hostname="localhost") as one:
            one.sendall(OLD + b"\n")
            until(lambda: len(messages(stream)) == 1)
    assert messages(stream) == ["failed for lonvick"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"syslog_tls_port": 6514}, "needs syslog_tls_certificate"),
        ({"syslog_tls_port": 6514, "syslog_tls_certificate": "nosuch.pem"}, "nosuch.pem: cannot be read"),
        ({"syslog_host": "192.0.2.1"}, "cannot be bound"),
    ],
)
def test_settings_that_cannot_be_are_one_clear_error(stream: MemoryStream, settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingError, match=reason), listening(stream, **settings):
        pass


def test_a_port_that_is_taken_is_one_clear_error(stream: MemoryStream) -> None:
    with listening(stream) as (_, port), pytest.raises(SettingError, match=f"syslog_port = {port}: TCP"), listening(stream, syslog_port=port):
        pass


def test_where_nothing_is_taken_senders_wait_and_memory_is_bounded() -> None:
    gate = Gate(is_open=False)
    line = b"<13>Oct 11 22:14:15 h app: " + b"x" * 1_000 + b"\n"
    with listening(gate, max_waiting_bytes=300_000) as (server, port):
        sender = threading.Thread(target=tcp, args=(port, *[line] * 40_000), daemon=True)
        sender.start()
        sender.join(1.5)
        assert sender.is_alive()
        assert server.status()["received"] < 20_000
        gate.open.set()
        sender.join(60)
        until(lambda: server.status()["put"] == 40_000)
    assert len(messages(gate)) == 40_000


def test_what_is_not_taken_at_the_end_is_counted() -> None:
    gate = Gate(is_open=False)
    with listening(gate) as (server, port):
        udp(port, OLD, NEW)
        until(lambda: server.status()["received"] == 2)
        server.close(0.3)
        until(lambda: server.status()["unput"] == 2)


def test_what_the_kernel_drops_is_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.sources.datagrams.RECEIVE_BUFFER_BYTES", 4_096)
    gate = Gate(is_open=False)
    with listening(gate, max_waiting_bytes=10_000) as (server, port):
        udp(port, *[b"<13>" + b"x" * 1_000] * 500)
        if not server.status()["dropped_by_kernel"]:
            pytest.skip("this kernel does not tell what it drops")
        gate.open.set()
        until(lambda: sum(server.status()[name] for name in ("put", "dropped_by_kernel")) == 500)
        udp(port, OLD)
        until(lambda: "kernel-buffer-full" in dropped(gate))
        assert dropped(gate)["kernel-buffer-full"] == server.status()["dropped_by_kernel"]
    assert_balanced(gate)


def test_a_socket_that_does_not_tell_has_dropped_nothing() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        assert kernel_drops(one) == 0


def test_many_senders_have_one_source_in_the_end(stream: MemoryStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "MAX_SENDERS", 2)
    with listening(stream) as (server, _):
        for number in range(5):
            server.take(OLD, f"10.0.0.{number % 4}")
        until(lambda: len(messages(stream)) == 5)
    assert sorted(row["log.source"] for row in rows_of(stream, "logs")) == ["syslog:10.0.0.0"] * 2 + ["syslog:10.0.0.1"] + ["syslog:others"] * 2


def test_connections_beyond_the_limit_are_refused_and_counted(stream: MemoryStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_server, "MAX_CONNECTIONS", 1)
    with listening(stream) as (server, port), socket.create_connection(("127.0.0.1", port)) as first:
        until(lambda: server.status()["connections"] == 1)
        with socket.create_connection(("127.0.0.1", port)):
            until(lambda: server.status()["refused"] == 1)
        first.sendall(OLD + b"\n")
        until(lambda: len(messages(stream)) == 1)


@pytest.mark.parametrize("options", [["--udp", "--rfc3164"], ["--tcp", "--rfc5424"], ["--tcp", "--octet-count"]])
def test_logger_is_a_sender(stream: MemoryStream, options: list[str]) -> None:
    program = shutil.which("logger")
    if program is None:
        pytest.skip("logger(1) is not installed")
    with listening(stream) as (_, port):
        for number in range(3):
            subprocess.run(
                [program, "--server", "127.0.0.1", "--port", str(port), *options, "--tag", "shop", "--priority", "local0.err", f"order {number} failed"],
                check=True,
                timeout=30,
            )
        until(lambda: len(messages(stream)) == 3)
    assert [(row["message"], row["service.name"], row["severity_text"]) for row in rows_of(stream, "logs")] == [
        (f"order {n} failed", "shop", "ERROR") for n in range(3)
    ]
