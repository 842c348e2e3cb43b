"""A stream of bytes as runs of log lines, block by block, without a Python object a line until the ids are made; or of JSON records, where it holds those.

A line ends with LF or CRLF; the last one may lack its end. A byte order mark before the first is none of its characters. Invalid UTF-8 becomes U+FFFD. Empty lines are left out and counted under the rule
``empty-line``. A stream that begins with a header of comma-separated log events is all of that format. A line longer than :data:`MAX_LINE_BYTES` is cut into several, so that memory is bounded and
nothing is lost.

An event id is a hash of the stream's name, the line's offset in it (after inflating) and the line's bytes: the same lines at the same place of the same file have the same ids
again, and a line that took another's place (a file written anew) has its own.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import numpy as np
import pyarrow as pa

from collectors.lines import Lines, Origin
from collectors.readers.csv_rows import is_log_table
from collectors.sources.json_records import is_records, records
from tailrace.errors import DecodeError

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
RUN_BYTES: Final = 2 * 1024 * 1024
"""Bytes of text after which a run of lines is handed on."""

HEAD_BYTES: Final = 4_096
"""How much of a stream is looked at to see whether it holds records."""

TABLE: Final = "app.csv"
"""The format of a stream whose first line is a header of comma-separated values: its other lines alone do not show what they are."""

EMPTY_RULE: Final = "empty-line"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LINE_FEED: Final = 10


@dataclass(frozen=True, slots=True)
class Run:
    """Lines in the order of the stream, how many empty ones are left out, how many of them had bytes replaced, and where in the stream the next run begins."""

    lines: Lines
    empty: int
    replaced: int
    end: int


def runs(blocks: Iterable[bytes], origin: Origin, name: str, received_us: int, *, as_lines: bool = False) -> Iterator[Run]:
    """Cut a stream into runs of lines; ``name`` is what the stream is known by when it is read again. With ``as_lines`` it holds no JSON records and no table, whatever it looks like."""
    reading, first = iter(blocks), b""
    while len(first) < HEAD_BYTES and (block := next(reading, b"")):
        first += block
    if not as_lines and is_records(first):
        yield from _record_runs(chain([first], reading), origin, name, received_us)
        return
    lines = first.removeprefix(BYTE_ORDER_MARK)
    if not as_lines and not origin.format and is_log_table(lines):
        origin = replace(origin, format=TABLE)
    for offset, text in _whole_lines(chain([lines], reading), len(first) - len(lines)):
        yield run_of(text, offset, origin, name, received_us)


def _record_runs(blocks: Iterable[bytes], origin: Origin, name: str, received_us: int) -> Iterator[Run]:
    """Gather JSON records into runs; before a stream's error come those that stand before it."""
    starts, pieces, size = list[int](), list[bytes](), 0
    try:
        for start, piece in records(blocks):
            starts.append(start)
            pieces.append(piece)
            size += len(piece)
            if size >= RUN_BYTES:
                yield _run_of(pieces, starts, origin, name, received_us)
                starts, pieces, size = [], [], 0
    except DecodeError:
        if pieces:
            yield _run_of(pieces, starts, origin, name, received_us)
        raise
    if pieces:
        yield _run_of(pieces, starts, origin, name, received_us)


def _whole_lines(blocks: Iterable[bytes], offset: int) -> Iterator[tuple[int, bytes]]:
    """Answer pieces that end with a line end, each with its offset; the last may end without. Before a stream's error come its whole lines."""
    waiting = bytearray()
    try:
        for block in blocks:
            waiting += block
            end = _end_of_lines(waiting)
            if end:
                yield offset, bytes(waiting[:end])
                offset += end
                del waiting[:end]
    except DecodeError:
        if end := waiting.rfind(b"\n") + 1:
            yield offset, bytes(waiting[:end])
        raise
    if waiting:
        yield offset, bytes(waiting)


def _end_of_lines(waiting: bytearray) -> int:
    if len(waiting) < RUN_BYTES:
        return 0
    return waiting.rfind(b"\n") + 1 or (len(waiting) if len(waiting) >= MAX_LINE_BYTES else 0)


def run_of(text: bytes, offset: int, origin: Origin, name: str, received_us: int) -> Run:
    """Cut a piece of a stream into its lines; ``offset`` is where in the stream it begins, which the ids know."""
    starts, ends = _bounds(text)
    kept = ends > starts
    pieces = [text[start:end] for start, end in zip(starts[kept].tolist(), ends[kept].tolist(), strict=True)]
    run = _run_of(pieces, (starts[kept] + offset).tolist(), origin, name, received_us, is_utf8=_is_utf8(text))
    return replace(run, empty=int(len(starts) - len(pieces)), end=offset + len(text))


def _run_of(pieces: Sequence[bytes], starts: Sequence[int], origin: Origin, name: str, received_us: int, *, is_utf8: bool = False) -> Run:
    texts = pieces if is_utf8 else [piece.decode("utf-8", "replace") for piece in pieces]
    no_times: pa.TimestampArray = pa.nulls(len(pieces), pa.timestamp("us"))
    ids = pa.array(list(_ids(name, starts, pieces)), pa.string())
    lines = Lines(origin, received_us, pa.array(texts, pa.string()), ids, no_times)
    end = starts[-1] + len(pieces[-1]) if pieces else 0
    return Run(lines, 0, 0 if is_utf8 else sum(not _is_utf8(piece) for piece in pieces), end)


def line_starts(text: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Answer where in a piece the lines begin that :func:`run_of` makes of it."""
    starts, ends = _bounds(text)
    return starts[ends > starts]


def _bounds(text: bytes) -> "tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]":
    data = np.frombuffer(text, np.uint8)
    feeds = np.flatnonzero(data == _LINE_FEED)
    ends = feeds if text.endswith(b"\n") else np.append(feeds, len(text))
    starts = np.append(np.zeros(1, np.int64), ends[:-1] + 1)
    has_return = (ends > starts) & (data[np.maximum(ends - 1, 0)] == ord("\r"))
    return starts, ends - has_return


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _ids(name: str, starts: Iterable[int], pieces: Iterable[bytes]) -> Iterator[str]:
    stem = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16, person=b"line")
    for start, piece in zip(starts, pieces, strict=True):
        digest = stem.copy()
        digest.update(start.to_bytes(8, "big") + piece)
        yield digest.hexdigest()
