"""Fluent's forward protocol: every mode, acknowledged when it is synced, and bytes of any kind accounted for."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.envelopes.fluent_forward import MAX_ITEMS, UNREADABLE, read_message, unpacker
from collectors.sources import forward
from collectors.sources.forward import ForwardServer
from firehose.delivery import DeadLetter, MemoryStream
from sandbox.checks import free_port
from tailrace.clock import SystemClock
from tailrace.errors import DecodeError
from tailrace.settings import Settings
from tests.collectors.envelopes.otlp.requests import assert_balanced, letters, rows_of
from tests.collectors.sources.doors import Gate, collector_of, until
from tests.collectors.sources.fluent_client import Entry, FluentClient, event_time, packed

SECONDS = 1_795_514_400
ENTRIES: list[Entry] = [
    (event_time(SECONDS, 123_456_789), {"level": "error", "message": "no stock", "order": 7}),
    (SECONDS, {"log": "a line\n", "source": "stdout"}),
]


@contextmanager
def listening(stream: Any, **settings: Any) -> Iterator[tuple[ForwardServer, int]]:
    port = free_port()
    with ForwardServer(collector_of(stream), Settings(forward_port=port, **settings), SystemClock()) as server:
        yield server, port


@pytest.fixture
def stream() -> MemoryStream:
    return MemoryStream()


def test_an_entry_is_an_event_with_the_time_of_its_sender(stream: MemoryStream) -> None:
    with listening(stream) as (server, port), FluentClient(port) as client:
        client.message("app.pay", *ENTRIES[0])
        until(lambda: server.status()["put"] == 1)
    (row,) = rows_of(stream, "logs")
    assert (row["message"], row["severity_text"], row["log.format"], row["log.source"], row["stream.name"]) == (
        "no stock",
        "ERROR",
        "app.json",
        "forward:app.pay",
        "forward",
    )
    assert row["@timestamp"].isoformat() == "2026-11-24T10:00:00.123456"
    assert json.loads(row["attributes"]) == {"order": 7}


@pytest.mark.parametrize("mode", ["forward", "packed_forward", "compressed"])
def test_every_mode_is_read_and_acknowledged(stream: MemoryStream, mode: str) -> None:
    with listening(stream) as (_, port), FluentClient(port) as client:
        getattr(client, mode)("app", ENTRIES, chunk="p8n9gmxTQVC8/nh2wlKKeQ==")
        assert client.read() == {"ack": "p8n9gmxTQVC8/nh2wlKKeQ=="}
        assert [row["message"] for row in rows_of(stream, "logs")] == ["no stock", "a line\n"]
    assert_balanced(stream)


def test_a_message_may_have_a_chunk_too_and_needs_none(stream: MemoryStream) -> None:
    with listening(stream) as (server, port), FluentClient(port) as client:
        client.message("a", 1, {"m": 1})
        client.message("a", 1.5, {"m": 2}, chunk="c")
        assert client.read() == {"ack": "c"}
        client.send(None)
        client.forward("a", [])
        client.packed_forward("a", [], chunk="empty")
        assert client.read() == {"ack": "empty"}
        until(lambda: server.status()["received"] == 4)
    assert len(rows_of(stream, "logs")) == 2


def test_a_chunk_sent_again_has_the_same_ids_and_equal_entries_are_different_events(stream: MemoryStream) -> None:
    same = [ENTRIES[0], ENTRIES[0]]
    with listening(stream) as (server, port), FluentClient(port) as client:
        for chunk in ("one", "one", "two"):
            client.packed_forward("app", same, chunk=chunk)
            assert client.read() == {"ack": chunk}
        for _ in range(2):
            client.forward("app", same)
        until(lambda: server.status()["put"] == 10)
    assert len({row["event_id"] for row in rows_of(stream, "logs")}) == 8


def test_it_is_acknowledged_only_when_it_is_synced() -> None:
    gate = Gate(is_open=False)
    with listening(gate) as (_, port), FluentClient(port) as client:
        client.packed_forward("app", ENTRIES, chunk="c")
        client.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.read()
        gate.open.set()
        client.socket.settimeout(30)
        assert client.read() == {"ack": "c"}
        assert len(rows_of(gate, "logs")) == 2


def test_what_was_not_put_at_the_end_was_not_acknowledged() -> None:
    gate = Gate(is_open=False)
    with listening(gate) as (server, port), FluentClient(port) as client:
        client.packed_forward("app", ENTRIES, chunk="c")
        until(lambda: server.status()["received"] == 1)
        server.close(0.3)
        until(lambda: server.status()["unput"] == 1)
        with pytest.raises((ConnectionError, OSError)):
            client.read()


def test_many_senders_and_tags_at_once(stream: MemoryStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "MAX_TAGS", 3)

    def send(number: int) -> None:
        with FluentClient(port) as client:
            for at in range(20):
                client.packed_forward(f"app.{number}", [(SECONDS, {"n": at})] * 5, chunk=f"{number}.{at}")
            assert {client.read()["ack"] for _ in range(20)} == {f"{number}.{at}" for at in range(20)}

    with listening(stream) as (server, port):
        threads = [threading.Thread(target=send, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert server.status()["put"] == 500
    assert len({row["event_id"] for row in rows_of(stream, "logs")}) == 500
    assert {row["log.source"] for row in rows_of(stream, "logs")} > {"forward:others"}
    assert_balanced(stream)


def test_senders_must_know_the_key_where_there_is_one(stream: MemoryStream) -> None:
    with listening(stream, forward_shared_key="s3cret") as (server, port):
        with pytest.raises(PermissionError, match="shared key mismatch"), FluentClient(port, "wrong"):
            pass
        with FluentClient(port) as silent:
            silent.message("app", 1, {"m": 1})
            assert silent.read()[0] == "HELO"
            assert silent.read()[1:3] == [False, "not a PING of the forward protocol"]
        with FluentClient(port) as noise:
            noise.socket.sendall(b"\xc1" * 100)
            assert noise.read()[0] == "HELO"
            with pytest.raises((ConnectionError, OSError)):
                noise.read()
        with FluentClient(port, "s3cret") as client:
            client.message("app", 1, {"m": 1}, chunk="c")
            assert client.read() == {"ack": "c"}
        assert server.status()["refused_keys"] == 3
    assert len(rows_of(stream, "logs")) == 1


@pytest.mark.parametrize(
    "message",
    [
        7,
        [],
        {},
        ["tag"],
        ["tag", 1],
        [1, 2, {}],
        ["tag", 1, "no record"],
        ["tag", [[1, "no record"]]],
        ["tag", [7]],
        ["tag", b"\xc1\xc1", {}],
        ["tag", packed(ENTRIES)[:-3], {}],
        ["tag", gzip.compress(packed(ENTRIES))[:-4], {"compressed": "gzip"}],
        ["tag", packed(ENTRIES), {"compressed": "zstd"}],
        ["tag", packed(ENTRIES), 7],
        ["tag", b"\x93\x01\x02", {}],
    ],
)
def test_a_message_that_is_none_is_a_dead_letter_and_hinders_no_other(stream: MemoryStream, message: Any) -> None:
    with listening(stream) as (server, port), FluentClient(port) as client:
        client.send(message)
        client.message("app", 1, {"m": 1}, chunk="c")
        assert client.read() == {"ack": "c"}
        until(lambda: server.status()["dead"] == 1)
    (letter,) = letters(stream)
    assert msgpack.unpackb(letter.body, strict_map_key=False) == message
    assert_balanced(stream)
    again = Gate()
    assert len(collector_of(again).replay(letter).dead) == 1


def test_a_dead_letter_that_can_be_read_after_all_is_replayed() -> None:
    stream = Gate()
    body = msgpack.packb(["app", [list(entry) for entry in ENTRIES]])
    assert collector_of(stream).replay(DeadLetter("payload", "a fault that was mended", body, {"envelope": "forward", "source": "forward:app"})).events == 2
    assert [row["log.source"] for row in rows_of(stream, "logs")] == ["forward:app"] * 2


@pytest.mark.parametrize(
    "data", [b"\xc1", b"\x91" * 2_000, b"\xdd\xff\xff\xff\xff", b"\xdf\x7f\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", b"\x81\x91\x01\x02", b"\x92\xa3tag\xc6\x00"]
)
def test_bytes_that_are_no_message_end_the_connection_and_are_kept(stream: MemoryStream, data: bytes) -> None:
    with listening(stream) as (server, port):
        with FluentClient(port) as client:
            client.message("app", 1, {"m": 1}, chunk="c")
            assert client.read() == {"ack": "c"}
            client.socket.sendall(data)
            if data[-1:] == b"\x00":
                client.socket.close()
        until(lambda: server.status()["broken"] >= 1 or server.status()["dead"] >= 1)
        with FluentClient(port) as client:
            client.message("app", 1, {"m": 2}, chunk="c")
            assert client.read() == {"ack": "c"}
    assert len(rows_of(stream, "logs")) == 2
    assert_balanced(stream)


def test_a_bomb_is_a_dead_letter() -> None:
    with pytest.raises(DecodeError, match="inflates to more"):
        read_message(["t", gzip.compress(b"\xc0" * 2_000_000), {"compressed": "gzip"}], 1_000_000)


def test_a_message_of_too_many_entries_is_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.envelopes.fluent_forward.MAX_ENTRIES", 10)
    with pytest.raises(DecodeError, match="more than 10 entries"):
        read_message(["t", packed([(1, {})] * 11), {}], 1_000_000)


def test_messages_that_never_end_are_bounded(stream: MemoryStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "MAX_UNFINISHED_BYTES", 1_000_000)
    with listening(stream) as (server, port), FluentClient(port) as client:
        with suppress(OSError):
            client.socket.sendall(b"\x92\xa3tag\xc6\x03\x00\x00\x00" + b"x" * 30_000_000)
        until(lambda: server.status()["broken"] == 1)
    assert sum(len(letter.body) for letter in letters(stream)) < 3_000_000


def test_a_list_that_is_too_long_is_refused_before_room_is_made() -> None:
    reader = unpacker()
    reader.feed(b"\xdd" + (MAX_ITEMS + 1).to_bytes(4, "big"))
    with pytest.raises(UNREADABLE, match="max_array_len"):
        list(reader)


RECORDS = st.dictionaries(
    st.text(max_size=5) | st.integers(-5, 5) | st.binary(max_size=3),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)


@given(st.lists(st.tuples(st.integers().filter(lambda n: -(2**63) <= n < 2**64) | st.floats() | st.just(event_time(SECONDS, 1)), RECORDS), max_size=4))
def test_any_record_is_one_line_of_json(entries: list[Any]) -> None:
    for message in (["t", packed(entries), {}], ["t", [list(entry) for entry in entries]]):
        read = msgpack.unpackb(msgpack.packb(message), strict_map_key=False, unicode_errors="surrogateescape")
        found = read_message(read, 1 << 20).entries
        assert len(found) == len(entries)
        for entry in found:
            assert isinstance(json.loads(entry.text), dict)
            entry.text.encode()


@given(st.binary(max_size=60))
def test_any_bytes_are_messages_or_one_clear_error(data: bytes) -> None:
    reader = unpacker()
    reader.feed(data)
    try:
        for value in reader:
            read_message(value, 1 << 20)
    except (DecodeError, *UNREADABLE) as error:
        assert isinstance(error, Exception)
