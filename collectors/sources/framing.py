"""How messages stand in a stream of syslog over TCP (RFC 6587, https://www.rfc-editor.org/rfc/rfc6587): counted, or each with a line feed at its end.

Which of the two it is, is told by the first bytes of a connection: digits, a blank and ``<`` are a counted message; all else are lines. Where a count should stand and none does, the rest of the
connection is read as lines, and the fault is counted. A message that is longer than :data:`MAX_MESSAGE_BYTES` is cut into several, so that memory is bounded and nothing is lost.
"""

import re
from typing import Final

MAX_MESSAGE_BYTES: Final = 256 * 1024
_COUNTED: Final = re.compile(rb"[1-9][0-9]{0,9} <")
_MAY_BE_COUNTED: Final = re.compile(rb"[1-9][0-9]{0,9} ?\Z")
_COUNT: Final = re.compile(rb"[\n\r\0 ]*([1-9][0-9]{0,9}) ")
_MAY_BE_COUNT: Final = re.compile(rb"[\n\r\0 ]*([1-9][0-9]{0,9})?\Z")


class Framer:
    """Cuts one connection's bytes into messages; ``cut`` counts those that were too long, ``faults`` connections whose counts were wrong, or whose last message was not whole."""

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._is_counted: bool | None = None
        self._left = 0
        self._has_been_cut = False
        self.cut = self.faults = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; answer the messages that they complete."""
        self._buffer += data
        if self._is_counted is None:
            if _MAY_BE_COUNTED.match(self._buffer):
                return []
            self._is_counted = _COUNTED.match(self._buffer) is not None
        out: list[bytes] = []
        if self._is_counted:
            self._take_counted(out)
        if not self._is_counted:
            self._take_lines(out)
        return out

    def end(self) -> list[bytes]:
        """Answer what is left when the connection ends."""
        if self._left:
            self.faults += 1
        out: list[bytes] = []
        if self._buffer.strip(b"\r\n\0 "):
            self._add(out, bytes(self._buffer))
        self._buffer.clear()
        return out

    def _take_counted(self, out: list[bytes]) -> None:
        while self._buffer:
            if not self._left:
                count = _COUNT.match(self._buffer)
                if count is None:
                    self._is_counted = _MAY_BE_COUNT.match(self._buffer) is not None
                    self.faults += not self._is_counted
                    return
                self._left = int(count[1])
                del self._buffer[: count.end()]
            if len(self._buffer) < min(self._left, self._max_bytes):
                return
            size = min(self._left, self._max_bytes)
            out.append(bytes(self._buffer[:size]))
            del self._buffer[:size]
            self._left -= size
            self._note_cut(is_whole=not self._left)

    def _take_lines(self, out: list[bytes]) -> None:
        *whole, rest = self._buffer.split(b"\n")
        for line in whole:
            self._add(out, bytes(line))
        while len(rest) >= self._max_bytes:
            out.append(bytes(rest[: self._max_bytes]))
            rest = rest[self._max_bytes :]
            self._note_cut(is_whole=False)
        self._buffer = bytearray(rest)

    def _add(self, out: list[bytes], line: bytes) -> None:
        for at in range(0, max(len(line), 1), self._max_bytes):
            out.append(line[at : at + self._max_bytes])
            self._note_cut(is_whole=at + self._max_bytes >= len(line))

    def _note_cut(self, *, is_whole: bool) -> None:
        """Count a message once, however many pieces it makes."""
        self.cut += not is_whole and not self._has_been_cut
        self._has_been_cut = not is_whole
