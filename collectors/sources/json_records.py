r"""JSON that is not one object a line: the objects in a list (``{"Records": [...]}`` of CloudTrail, a list alone), or one after another over several lines.

The bytes are looked at in blocks: quotes, brackets and braces with numpy, no byte in a loop, so a file of any size takes the memory of its longest object. What stands beside the list
is an event too, so that nothing is lost.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from tailrace.errors import DecodeError

LISTS: Final = ("Records", "configurationItems", "logEvents", "Findings", "findings")
"""Members that hold the records of a file: CloudTrail, Config's snapshots and histories, exports of Logs, of Security Hub and of GuardDuty."""

MAX_RECORD_BYTES: Final = 16 * 1024 * 1024
_HEAD: Final = re.compile(
    rb'\s*\{(?P<before>(?:\s*"[^"\\]{1,64}"\s*:\s*(?:"[^"\\]*"|[-0-9.]+|true|false|null)\s*,)*)\s*"(?:' + "|".join(LISTS).encode() + rb')"\s*:\s*\[(?=\s*[{\]])'
)
_LIST: Final = re.compile(rb"\s*\[(?=\s*\{)")
_PRETTY: Final = re.compile(rb"\s*\{[ \t]*\r?\n")
_LEAST: Final = 4_096
_BETWEEN: Final = b" \t\r\n,"
_MARKS: Final = np.zeros(256, np.int8)
_MARKS[[ord("{"), ord("[")]] = 1
_MARKS[[ord("}"), ord("]")]] = -1


def is_records(first: bytes) -> bool:
    """Whether a stream that begins so holds JSON records."""
    text = first.removeprefix(b"\xef\xbb\xbf")
    return any(pattern.match(text) for pattern in (_HEAD, _LIST, _PRETTY))


def is_list(first: bytes) -> bool:
    """Whether a stream that begins so is one list of records, complete when it was written: nothing is added to such a file."""
    text = first.removeprefix(b"\xef\xbb\xbf")
    return any(pattern.match(text) for pattern in (_HEAD, _LIST))


def records(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Answer the objects of a stream of which :func:`is_records` holds, each with its offset.

    Raises :class:`DecodeError` where it stops being JSON; what came before has been answered then.
    """
    reading = iter(blocks)
    head = b""
    while len(head) < _LEAST and (block := next(reading, b"")):
        head += block
    start = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    found = _HEAD.match(head, start) or _LIST.match(head, start)
    cutter = _Cutter(found.end() if found else start, in_list=bool(found))
    before = found.groupdict().get("before") if found else None
    if before and found:
        yield start, b"{" + before.strip().rstrip(b",") + b"}"
    yield from cutter.cut(head[cutter.offset :])
    for block in reading:
        yield from cutter.cut(block)
    yield from cutter.end()


class _Cutter:
    """Cuts a list, or objects that follow one another; ``offset`` is where in the stream what waits begins."""

    def __init__(self, offset: int, *, in_list: bool) -> None:
        self.offset = offset
        self._waiting = b""
        self._seen = self._depth = 0
        self._quoted = False
        self._in_list = in_list
        self._start: int | None = None

    def cut(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Take up a block; answer the objects that end in it."""
        if self._ended:
            self._waiting += block
            self._check_length()
            return
        data = self._waiting + block
        held = len(data) - len(data.rstrip(b"\\"))
        end = len(data) - held
        done = 0
        for at, opens in self._turns(data, end):
            if opens:
                self._check_between(data[done:at])
                self._start = at
            elif self._start is not None:
                yield self.offset + self._start, data[self._start : at + 1]
                self._start, done = None, at + 1
            else:
                self._in_list, done = False, at + 1
                self._depth = -1
                break
        self._keep(data, done, end)

    @property
    def _ended(self) -> bool:
        return self._depth < 0

    def _turns(self, data: bytes, end: int) -> Iterator[tuple[int, bool]]:
        """Answer where objects of the level open and close, and where the list ends."""
        array = np.frombuffer(data, np.uint8)[self._seen : end]
        quotes = np.flatnonzero(array == ord('"'))
        quotes = quotes[~np.isin(quotes, _escaped(array))]
        marks = np.flatnonzero(_MARKS[array])
        outside = (np.searchsorted(quotes, marks) + self._quoted) % 2 == 0
        marks = marks[outside]
        steps = _MARKS[array[marks]]
        depths = self._depth + np.cumsum(steps)
        opens = (steps > 0) & (depths == 1) & (array[marks] == ord("{"))
        closes = (steps < 0) & (depths == 0)
        over = (steps < 0) & (depths == -1)
        turns = np.flatnonzero(opens | closes | over)
        first, self._seen = self._seen, end
        self._quoted = bool((self._quoted + len(quotes)) % 2)
        self._depth = int(depths[-1]) if len(depths) else self._depth
        yield from ((first + int(marks[turn]), bool(opens[turn])) for turn in turns)

    def _keep(self, data: bytes, done: int, end: int) -> None:
        keep_from = done if self._start is None else self._start
        if self._start is None and not self._ended:
            self._check_between(data[done:end])
            keep_from = end
        self._waiting = data[keep_from:]
        self.offset += keep_from
        self._seen -= keep_from
        self._start = None if self._start is None else 0
        self._check_length()

    def _check_length(self) -> None:
        if len(self._waiting) > MAX_RECORD_BYTES:
            raise DecodeError(f"what begins at byte {self.offset} is longer than {MAX_RECORD_BYTES} bytes")

    def _check_between(self, between: bytes) -> None:
        if rest := between.strip(_BETWEEN):
            raise DecodeError(f"stops being JSON records near byte {self.offset}: {rest[:40]!r} is no object")

    def end(self) -> Iterator[tuple[int, bytes]]:
        """Answer what stands behind the list, if that is more than its end."""
        if self._start is not None or (self._in_list and not self._ended):
            raise DecodeError(f"ends within JSON, in what begins at byte {self.offset}")
        rest = self._waiting.strip()
        if not self._ended:
            self._check_between(rest)
        elif rest not in {b"", b"}"}:
            yield self.offset, b"{" + rest.lstrip(b", \t\r\n")


def _escaped(array: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Answer the places that stand behind an odd number of backslashes."""
    slashes = np.flatnonzero(array == ord("\\"))
    if not len(slashes):
        return slashes
    breaks = np.flatnonzero(np.diff(slashes) != 1)
    firsts = slashes[np.append(0, breaks + 1)]
    lasts = slashes[np.append(breaks, len(slashes) - 1)]
    return lasts[(lasts - firsts) % 2 == 0] + 1
