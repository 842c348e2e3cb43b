"""A client of Fluent's forward protocol, written after its specification: the four modes, acknowledgements, the handshake."""

import gzip
import hashlib
import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import msgpack

Entry = tuple[Any, dict[Any, Any]]


def event_time(seconds: int, nanoseconds: int) -> "msgpack.ExtType":
    return msgpack.ExtType(0, struct.pack(">II", seconds, nanoseconds))


def packed(entries: Sequence[Entry]) -> bytes:
    return b"".join(msgpack.packb([time, record]) for time, record in entries)


class FluentClient:
    def __init__(self, port: int, shared_key: str = "", hostname: str = "client.example") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._reader = msgpack.Unpacker(raw=False)
        if shared_key:
            self.shake_hands(shared_key, hostname)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()

    def shake_hands(self, key: str, hostname: str) -> None:
        word, options = self.read()
        assert word == "HELO"
        salt = b"0123456789abcdef"
        digest = hashlib.sha512(salt + hostname.encode() + options["nonce"] + key.encode()).hexdigest()
        self.send(["PING", hostname, salt, digest, "", ""])
        word, accepted, reason, server, proof = self.read()
        assert word == "PONG"
        if not accepted:
            raise PermissionError(reason)
        assert proof == hashlib.sha512(salt + server.encode() + options["nonce"] + key.encode()).hexdigest()

    def message(self, tag: str, time: Any, record: dict[Any, Any], **option: Any) -> None:
        self.send([tag, time, record, *([option] if option else [])])

    def forward(self, tag: str, entries: Sequence[Entry], **option: Any) -> None:
        self.send([tag, [list(entry) for entry in entries], *([option] if option else [])])

    def packed_forward(self, tag: str, entries: Sequence[Entry], **option: Any) -> None:
        self.send([tag, packed(entries), {"size": len(entries), **option}])

    def compressed(self, tag: str, entries: Sequence[Entry], **option: Any) -> None:
        half = len(entries) // 2
        body = gzip.compress(packed(entries[:half])) + gzip.compress(packed(entries[half:]))
        self.send([tag, body, {"compressed": "gzip", "size": len(entries), **option}])

    def send(self, value: Any) -> None:
        self.socket.sendall(msgpack.packb(value))

    def read(self) -> Any:
        while True:
            for value in self._reader:
                return value
            data = self.socket.recv(65_536)
            if not data:
                raise ConnectionError("the server ended the connection")
            self._reader.feed(data)
