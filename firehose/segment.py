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
PAGE_BYTES: Final = 4096
"""What a disk that fails to read (EIO) fails for, at least; twice as much is stepped over after each failure in a row."""


@dataclass(frozen=True, slots=True)
class Found:
    """A frame: where it lies, and where its group begins. ``body`` is ``None`` where its CRC is wrong, or the disk did not give it (``unreadable``), and empty where it was not wanted."""

    start: int
    end: int
    head: Head
    ids: bytes
    body: bytes | None
    group: int = 0
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes that are no frame; ``unreadable`` where the disk did not give all of them."""

    start: int
    end: int
    unreadable: bool = False


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
        found = _read(file, secret, at, end, wanted) or _hole(file, secret, at, end)
        yield found
        at = found.end


def _read(file: DiskFile, secret: int, at: int, end: int, wanted: Wanted) -> Found | None:
    try:
        opened = _open(file, secret, at, end)
        if opened is None:
            return None
        prefix, head, ids = opened
        body_at = at + PREFIX_BYTES + prefix.lengths.head + prefix.lengths.ids
        body, unreadable = _body(file, body_at, prefix) if wanted(head) else (b"", False)
        return Found(at, at + prefix.lengths.whole, head, ids, body, prefix.group, unreadable)
    except OSError:
        return None


def _open(file: DiskFile, secret: int, at: int, end: int) -> tuple[Prefix, Head, bytes] | None:
    prefix = read_prefix(file.read(at, PREFIX_BYTES))
    if prefix is None or at + prefix.lengths.whole > end:
        return None
    data = file.read(at + PREFIX_BYTES, prefix.lengths.head + prefix.lengths.ids)
    head, ids = data[: prefix.lengths.head], data[prefix.lengths.head :]
    return (prefix, read_head(head), ids) if prefix.head_is_good(head, ids, secret) else None


def _body(file: DiskFile, at: int, prefix: Prefix) -> tuple[bytes | None, bool]:
    try:
        body = file.read(at, prefix.lengths.body)
    except OSError:
        return None, True
    good = len(body) == prefix.lengths.body and isal_zlib.crc32(body) == prefix.body_crc
    return body if good else None, False


def _hole(file: DiskFile, secret: int, start: int, end: int) -> Hole:
    """Look for the next frame behind a place where there is none; what the disk does not read is stepped over."""
    at, length, skip, unreadable = start + 1, SEARCH_BYTES, PAGE_BYTES, False
    while at < end:
        try:
            chunk = file.read(at, min(length, end - at))
        except OSError:
            unreadable = True
            if length == PAGE_BYTES:
                at, skip = at + skip, 2 * skip
            length = PAGE_BYTES
            continue
        found = _first_frame(file, secret, at, end, chunk)
        if found is not None:
            return Hole(start, found, unreadable)
        if len(chunk) <= len(MAGIC):
            break
        at, length, skip = at + len(chunk) - len(MAGIC) + 1, SEARCH_BYTES, PAGE_BYTES
    return Hole(start, end, unreadable)


def _first_frame(file: DiskFile, secret: int, at: int, end: int, chunk: bytes) -> int | None:
    found = chunk.find(MAGIC)
    while found >= 0:
        if _read(file, secret, at + found, end, none) is not None:
            return at + found
        found = chunk.find(MAGIC, found + 1)
    return None
