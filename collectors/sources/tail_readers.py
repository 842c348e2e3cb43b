"""Reading a file at an offset while it is written, renamed, truncated or deleted, or inflating it as it is read.

Offsets of a compressed file are those of what it inflates to, so that the archive of a rotated file is read on where the file was left.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from collectors.sources.contents import contents, packing
from collectors.sources.json_records import is_list
from collectors.sources.tail_positions import BEFORE_BYTES, HEAD_BYTES, Inode, Known, Stamp, agrees, before_of
from tailrace.errors import DecodeError

SIDE_BYTES: Final = 4_096


class Reader(Protocol):
    """An open file."""

    @property
    def inode(self) -> Inode:
        """What it is to the file system."""
        ...

    @property
    def head(self) -> bytes:
        """Its first bytes, as they are now."""
        ...

    grows: bool
    """Whether more may be written to it: the end that is met is not the end then."""
    problem: str
    """Why it could not be read to its end; empty: nothing is known against it."""

    def read(self, offset: int, count: int) -> bytes:
        """Read up to so many bytes, fewer only at the end, or where it is damaged."""
        ...

    def state(self) -> tuple[Stamp, bool]:
        """Answer size and time of change, and whether any name leads to it."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class PlainReader:
    """A file as it is."""

    grows, problem = True, ""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        found = os.fstat(self._descriptor)
        self.inode = (found.st_dev, found.st_ino)

    @property
    def head(self) -> bytes:
        """The first bytes, as they are now."""
        return self.read(0, HEAD_BYTES)

    def read(self, offset: int, count: int) -> bytes:
        """Read up to so many bytes."""
        return os.pread(self._descriptor, count, offset)

    def state(self) -> tuple[Stamp, bool]:
        """Answer size and time of change, and whether any name leads to it."""
        return _state(self._descriptor)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


class PackedReader:
    """A compressed file, inflated from its start; reading goes forward, and what is before the last offset is let go, but for what tells the place."""

    grows = False

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")
        found = os.fstat(self._file.fileno())
        self.inode = (found.st_dev, found.st_ino)
        self._path = path
        self._blocks = self._inflated()
        self._start, self._held = 0, bytearray()
        self.problem = ""
        self.head = self.read(0, HEAD_BYTES)

    def read(self, offset: int, count: int) -> bytes:
        """Read up to so many bytes; going back further than was kept inflates from the start again."""
        if offset < self._start:
            self._file.seek(0)
            self._blocks, self._start, self._held, self.problem = self._inflated(), 0, bytearray(), ""
        while self._start + len(self._held) < offset + count and (block := self._next()):
            self._held += block
            passed = min(offset - SIDE_BYTES - self._start, len(self._held))
            if passed > 0:
                del self._held[:passed]
                self._start += passed
        at = offset - self._start
        return bytes(self._held[at : at + count])

    def state(self) -> tuple[Stamp, bool]:
        """Answer size and time of change, and whether any name leads to it."""
        return _state(self._file.fileno())

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def _next(self) -> bytes:
        try:
            return next(self._blocks, b"")
        except DecodeError as error:
            self.problem = str(error)
            return b""

    def _inflated(self) -> Iterator[bytes]:
        return (block for content in contents(self._file) for block in content.blocks if block)


def open_reader(path: Path) -> Reader | None:
    """Open a file that is read bit by bit; ``None`` for one that must be taken whole: a zip, a list of records, or what is no log at all.

    Raises :class:`OSError`.
    """
    plain = PlainReader(path)
    kind = packing(plain.head)
    if kind == "none" and not is_list(plain.read(0, SIDE_BYTES)):
        return plain
    plain.close()
    if kind == "stream":
        packed = PackedReader(path)
        if not is_list(packed.read(0, SIDE_BYTES)):
            return packed
        packed.close()
    return None


def _state(descriptor: int) -> tuple[Stamp, bool]:
    found = os.fstat(descriptor)
    return (found.st_size, found.st_mtime_ns), found.st_nlink > 0


def holds(reader: Reader, known: Known) -> bool | None:
    """Whether a file holds what is known; ``None`` where it is too short to say: it may be a copy that is being made."""
    count = min(known.offset, BEFORE_BYTES)
    if not agrees(known, reader.head):
        return False
    before = reader.read(known.offset - count, count)
    if len(before) < count:
        return None if reader.grows else False
    return not known.before or before_of(before) == known.before
