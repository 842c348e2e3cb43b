"""Frames of one segment, read in order; what cannot be read is stepped over to the next frame, and said.

A candidate for the next frame is the magic with a head whose CRC is right; ``secret``, a number of the spool's own, seeds that CRC, so that bytes of a log line cannot
pass for a frame.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from isal import isal_zlib

from firehose.disk import DiskFile
from firehose.frame import MAGIC, PREFIX_BYTES, Head, Prefix, read_head, read_prefix

SEARCH_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """A frame: where it lies, and where its group begins. ``body`` is ``None`` where its CRC is wrong, and empty where it was not wanted."""

    start: int
    end: int
    head: Head
    ids: bytes
    body: bytes | None
    group: int = 0


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes that are no frame."""

    start: int
    end: int


Wanted = Callable[[Head], bool]
"""Whether the body of a frame is to be read."""


def every(head: Head) -> bool:
    """Want every body."""
    del head
    return True


def none(head: Head) -> bool:
    """Want no body: heads and ids alone are read and checked."""
    del head
    return False


def frames(file: DiskFile, secret: int, start: int, end: int, wanted: Wanted = every) -> Iterator[Found | Hole]:
    """Walk the frames between two offsets of a segment."""
    at = start
    while at < end:
        found: Found | Hole = _read(file, secret, at, end, wanted) or Hole(at, _next_frame(file, secret, at + 1, end))
        yield found
        at = found.end


def _read(file: DiskFile, secret: int, at: int, end: int, wanted: Wanted) -> Found | None:
    try:
        opened = _open(file, secret, at, end)
        if opened is None:
            return None
        prefix, head, ids = opened
        body_at = at + PREFIX_BYTES + prefix.lengths.head + prefix.lengths.ids
        body = _body(file, body_at, prefix) if wanted(head) else b""
        return Found(at, at + prefix.lengths.whole, head, ids, body, prefix.group)
    except OSError:
        return None


def _open(file: DiskFile, secret: int, at: int, end: int) -> tuple[Prefix, Head, bytes] | None:
    prefix = read_prefix(file.read(at, PREFIX_BYTES))
    if prefix is None or at + prefix.lengths.whole > end:
        return None
    data = file.read(at + PREFIX_BYTES, prefix.lengths.head + prefix.lengths.ids)
    head, ids = data[: prefix.lengths.head], data[prefix.lengths.head :]
    return (prefix, read_head(head), ids) if prefix.head_is_good(head, ids, secret) else None


def _body(file: DiskFile, at: int, prefix: Prefix) -> bytes | None:
    try:
        body = file.read(at, prefix.lengths.body)
    except OSError:
        return None
    return body if len(body) == prefix.lengths.body and isal_zlib.crc32(body) == prefix.body_crc else None


def _next_frame(file: DiskFile, secret: int, at: int, end: int) -> int:
    while at < end:
        try:
            chunk = file.read(at, min(SEARCH_BYTES, end - at))
        except OSError:
            return end
        found = chunk.find(MAGIC)
        while found >= 0:
            if _read(file, secret, at + found, end, none) is not None:
                return at + found
            found = chunk.find(MAGIC, found + 1)
        if len(chunk) <= len(MAGIC):
            return end
        at += len(chunk) - len(MAGIC) + 1
    return end
