"""Fluent's forward protocol on a TCP port: Fluent Bit, Fluentd, FireLens and Docker's ``fluentd`` log driver send here.

https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1; the messages are read in ``collectors.envelopes.fluent_forward``. A message with a ``chunk`` is acknowledged after its entries are synced
(``require_ack_response`` of Fluentd, ``Require_ack_response`` of Fluent Bit): sent again, its entries have the same ids. Without one the sender cannot know what was taken, and what it sent
while this process is killed is lost.

Where a shared key is set, senders must know it (the handshake of the specification: HELO, PING, PONG; user names are not asked for). A source in the ledger is a tag: ``forward:`` and its name. A message that
cannot be read is a dead letter, and acknowledged, for it is kept; bytes that are no MessagePack end the connection, for nothing tells where the next message begins.
"""

import hashlib
import hmac
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgpack

from collectors.collector import Collector
from collectors.envelopes.fluent_forward import STREAM_NAME, UNREADABLE, Forwarded, lines_of, read_message, unpacker
from collectors.sources.batcher import ITEM_BYTES, MAX_WAITING_BYTES, Batcher
from collectors.sources.patience import StoppedError, patiently
from collectors.sources.tcp_server import Connection, TcpServer
from firehose.delivery import DeadLetter
from tailrace.clock import Clock
from tailrace.errors import DecodeError
from tailrace.ids import Places
from tailrace.secrets import secret
from tailrace.settings import Settings

MAX_SOURCE_CHARS: Final = 256
MAX_TAGS: Final = 1_000
"""Tags that are sources of their own in the ledger, which has a row for each."""

OTHERS: Final = "forward:others"
WITHIN_S: Final = 0.05
"""How long messages wait for others: their senders wait for an acknowledgement."""

MAX_UNFINISHED_BYTES: Final = 256 * 1024 * 1024
"""Bytes of messages that are not whole yet, of all connections together."""

NONCE_BYTES: Final = 16
HANDSHAKE_BYTES: Final = 64 * 1024


class _Taken(NamedTuple):
    """A message as it came, and who waits for its acknowledgement."""

    connection: "_Sender"
    message: Forwarded | DeadLetter
    received_us: int


class ForwardServer:
    """Listens while its context is open; on leaving it what has arrived is put."""

    def __init__(self, collector: Collector, settings: Settings, clock: Clock, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        self._collector, self._clock = collector, clock
        self.shared_key = secret(settings.forward_shared_key, settings)
        self._run, self._next = secrets.token_hex(16), 0
        self._give_up, self._tags = threading.Event(), set[str]()
        self._counting, self._unfinished = threading.Lock(), 0
        self._totals = dict.fromkeys(("received", "put", "dead", "unput", "refused_keys", "broken"), 0)
        self._server = TcpServer("forward_port", settings.forward_host, settings.forward_port, lambda server: _Sender(server, self))
        self._batcher: Batcher[_Taken] = Batcher(self._put, clock, changed=self._look_for_room, within_s=WITHIN_S, max_waiting_bytes=max_waiting_bytes)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._batcher.start()
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening and put what has arrived."""
        self.close()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop listening and put what has arrived; what the delivery stream does not take within the time is counted as ``unput``, and was not acknowledged."""
        self._server.close(timeout_s)
        if not self._batcher.close(timeout_s):
            self._give_up.set()
            self._batcher.close(timeout_s)
        self._give_up.set()

    def status(self) -> Mapping[str, int]:
        """Answer totals since the start: messages received, entries put, messages dead, messages not put at the end, wrong keys, connections ended for what they sent, open and refused ones."""
        return {**self._totals, "connections": len(self._server), "refused": self._server.refused}

    def take(self, connection: "_Sender", value: object, size: int) -> None:
        """Take a message that was unpacked."""
        self.count("received", 1)
        try:
            message: Forwarded | DeadLetter = read_message(value, self._collector.inflate_max_bytes)
        except DecodeError as error:
            message = _letter(str(error), msgpack.packb(value, default=str, use_bin_type=True))
        held = sum(len(entry.text) + ITEM_BYTES for entry in message.entries) if isinstance(message, Forwarded) else size
        self._batcher.add(_Taken(connection, message, self._clock.now_us()), max(size, held))

    def take_broken(self, connection: "_Sender", rest: bytes, why: str) -> None:
        """Take bytes that are no message at all."""
        self.count("broken", 1)
        if rest:
            self._batcher.add(_Taken(connection, _letter(why, rest), self._clock.now_us()), len(rest))

    def count(self, name: str, number: int) -> None:
        """Add to a total."""
        with self._counting:
            self._totals[name] += number

    def admit(self, size: int) -> bool:
        """Note bytes of messages that are not whole yet (fewer, below nought); answer whether so many may be kept. In the server's thread."""
        self._unfinished += size
        return self._unfinished <= MAX_UNFINISHED_BYTES

    def _look_for_room(self) -> None:
        self._server.look_for_room(lambda: self._batcher.is_full)

    def _put(self, batch: Sequence[_Taken]) -> None:
        dead = [taken.message for taken in batch if isinstance(taken.message, DeadLetter)]
        if dead and self._patiently(partial(self._collector.collect_dead, STREAM_NAME, dead), len(dead)):
            self.count("dead", len(dead))
        read = [(taken, taken.message) for taken in batch if isinstance(taken.message, Forwarded)]
        for source, group in groupby(sorted(read, key=lambda one: self._source(one[1].tag)), key=lambda one: self._source(one[1].tag)):
            messages = list(group)
            ids = [identity for _, message in messages for identity in self._ids(message)]
            lines = lines_of([message for _, message in messages], ids, source, messages[0][0].received_us)
            if self._patiently(partial(self._collector.collect_lines, lines), len(messages)):
                self.count("put", len(lines))
                for taken, message in messages:
                    taken.connection.acknowledge(message.chunk)

    def _patiently(self, call: "partial[Any]", messages: int) -> bool:
        try:
            patiently(call, self._clock, self._give_up)
        except StoppedError:
            self.count("unput", messages)
            return False
        return True

    def _source(self, tag: str) -> str:
        if tag not in self._tags:
            if len(self._tags) >= MAX_TAGS:
                return OTHERS
            self._tags.add(tag)
        return f"{STREAM_NAME}:{tag}"[:MAX_SOURCE_CHARS]

    def _ids(self, message: Forwarded) -> Sequence[str]:
        """A chunk's id is the sender's and unique; its entries are hashed too, for senders that count their chunks. A message without one is another each time."""
        if message.chunk:
            digest = hashlib.blake2b(digest_size=16)
            for entry in message.entries:
                digest.update(b"%d %b\n" % (entry.time_us or 0, entry.text.encode("utf-8", "replace")))
            places = Places(STREAM_NAME, message.tag, message.chunk, digest.hexdigest())
        else:
            places, self._next = Places(STREAM_NAME, self._run, self._next), self._next + 1
        return [places.id(number) for number in range(len(message.entries))]


def _letter(why: str, body: bytes) -> DeadLetter:
    return DeadLetter("payload", why, body, {"envelope": STREAM_NAME})


class _Sender(Connection):
    """One connection: the handshake where a key is set, then messages."""

    def __init__(self, server: TcpServer, forward: ForwardServer) -> None:
        super().__init__(server)
        self._forward = forward
        self._handshake = _Handshake(forward.shared_key) if forward.shared_key else None
        self._messages, self._read = unpacker(), 0
        self._rest = bytearray()
        """What was fed of a message that is not whole yet."""

    def opened(self) -> None:
        """Say hello, where a key is asked for."""
        if self._handshake is not None:
            self._write(self._handshake.hello())

    def acknowledge(self, chunk: str) -> None:
        """Tell the sender that a chunk is synced."""
        if chunk:
            self.send(msgpack.packb({"ack": chunk}))

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._handshake is not None:
            data = self._shake_hands(self._handshake, data)
        self._rest += data
        if not self._forward.admit(len(data)):
            self._broken(f"more than {MAX_UNFINISHED_BYTES} bytes of messages are not whole yet")
            return
        try:
            self._messages.feed(data)
            for value in self._messages:
                size, self._read = self._messages.tell() - self._read, self._messages.tell()
                self._forget(size)
                if value is not None:
                    self._forward.take(self, value, size)
        except UNREADABLE as error:
            self._broken(f"no MessagePack: {str(error)[:200] or type(error).__name__}")

    def closed(self) -> None:
        """Take what is left: a message that was cut."""
        if self._rest:
            self._broken("the connection ended within a message")

    def _forget(self, size: int) -> None:
        del self._rest[:size]
        self._forward.admit(-size)

    def _shake_hands(self, handshake: "_Handshake", data: bytes) -> bytes:
        answer, rest = handshake.answer(data)
        if answer:
            self._write(answer)
        if handshake.is_refused:
            self._forward.count("refused_keys", 1)
            self.end()
            return b""
        if handshake.is_done:
            self._handshake = None
        return rest

    def _broken(self, why: str) -> None:
        self._forward.take_broken(self, bytes(self._rest), why)
        self._forget(len(self._rest))
        self._messages, self._read = unpacker(), 0
        self.end()


class _Handshake:
    """The server's side of the handshake: HELO with a nonce, the sender's PING with a digest of it and the key, PONG."""

    def __init__(self, shared_key: str) -> None:
        self._key, self._nonce = shared_key.encode(), secrets.token_bytes(NONCE_BYTES)
        self._reader = unpacker(HANDSHAKE_BYTES)
        self._received = b""
        self.is_done = self.is_refused = False

    def hello(self) -> bytes:
        """Write HELO."""
        return bytes(msgpack.packb(["HELO", {"nonce": self._nonce, "auth": b"", "keepalive": True}]))

    def answer(self, data: bytes) -> tuple[bytes, bytes]:
        """Take bytes; answer PONG where PING is whole, and the bytes that follow it."""
        self._received += data
        try:
            self._reader.feed(data)
            ping = next(self._reader, None)
        except UNREADABLE:
            self.is_refused = True
            return b"", b""
        if ping is None:
            return b"", b""
        rest = self._received[self._reader.tell() :]
        name, salt, reason = self._read(ping)
        self.is_done, self.is_refused = not reason, bool(reason)
        return self._pong(salt, name, reason), rest

    def _read(self, ping: object) -> tuple[str, bytes, str]:
        match ping:
            case ["PING", str(name), str() | bytes() as salt, str() | bytes() as digest, *_]:
                given = digest.encode("utf-8", "replace") if isinstance(digest, str) else digest
                known = salt.encode("utf-8", "replace") if isinstance(salt, str) else salt
                expected = self._digest(known, name).encode()
                return name, known, "" if hmac.compare_digest(given, expected) else "shared key mismatch"
        return "", b"", "not a PING of the forward protocol"

    def _pong(self, salt: bytes, name: str, reason: str) -> bytes:
        own = socket.gethostname()
        digest = "" if reason else self._digest(salt, own)
        del name
        return bytes(msgpack.packb(["PONG", not reason, reason, own, digest]))

    def _digest(self, salt: bytes, host: str) -> str:
        """SHA-512 of salt, host name, nonce and key, in digits, as the specification has it."""
        return hashlib.sha512(salt + host.encode("utf-8", "replace") + self._nonce + self._key).hexdigest()
