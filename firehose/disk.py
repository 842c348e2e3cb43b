"""The disk as the spool uses it: a seam, so that tests can tear writes, forget what was not synced, fill the disk, and stop at a named point.

:class:`LocalDisk` is the machine's. A :data:`Probe` is called with the name of each point at which a crash must be harmless (:data:`CRASH_POINTS`).
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from tailrace.durable import make_folders, sync_folder

Probe = Callable[[str], None]

CRASH_POINTS: Final = (
    "spool.segment_created",
    "spool.folder_synced",
    "spool.written",
    "spool.synced",
    "spool.removed",
    "sink.sealed",
    "sink.delivered",
    "cursor.written",
    "cursor.synced",
    "lake.part_put",
    "opensearch.sent",
    "dead.written",
    "ledger.applied",
    "keeper.part_put",
    "keeper.committed",
    "keeper.deleted",
)
"""Where the kill test kills."""

REWRITE_POINTS: Final = ("lake.rewritten", "keeper.rewritten", "keeper.let_go", "keeper.erased")
"""The same where rows of the lake are replaced, expire or are erased, which the tests of those go through."""


def no_probe(point: str) -> None:
    """Do nothing at a point."""


class DiskFile(Protocol):
    """An open file."""

    def size(self) -> int:
        """Bytes in the file."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Read up to so many bytes; fewer at the end of the file."""
        ...

    def write(self, offset: int, pieces: Sequence[bytes | memoryview]) -> None:
        """Write the pieces one after the other, whole; raises :class:`OSError` (then part of it may be written)."""
        ...

    def sync(self) -> None:
        """Make what was written durable."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Disk(Protocol):
    """Files in one folder after the other."""

    def names(self, folder: Path) -> list[str]:
        """Names of the files in a folder, in order; none where there is no folder."""
        ...

    def make_folder(self, folder: Path) -> None:
        """Make a folder, durably."""
        ...

    def create(self, path: Path) -> DiskFile:
        """Make a file that is not there yet; its name is durable after :meth:`sync_folder`."""
        ...

    def open(self, path: Path) -> DiskFile:
        """Open a file for reading and writing."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a file; none there is no error."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        ...


MOST_PIECES: Final = 1_024
"""Of one write: IOV_MAX of Linux, https://man7.org/linux/man-pages/man2/readv.2.html."""


class LocalFile:
    """A file of this machine."""

    def __init__(self, path: Path, flags: int) -> None:
        self._descriptor = os.open(path, flags | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Read up to so many bytes."""
        return os.pread(self._descriptor, length, offset)

    def write(self, offset: int, pieces: Sequence[bytes | memoryview]) -> None:
        """Write the pieces one after the other, whole."""
        left: deque[memoryview] = deque(memoryview(piece) for piece in pieces)
        while left:
            written = os.pwritev(self._descriptor, tuple(islice(left, MOST_PIECES)), offset)
            offset += written
            while left and written >= len(left[0]):
                written -= len(left.popleft())
            if written:
                left[0] = left[0][written:]

    def sync(self) -> None:
        """Make what was written durable: fdatasync, which also makes the new size durable."""
        os.fdatasync(self._descriptor)

    def truncate(self, size: int) -> None:
        """Cut the file."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Close the file; a thread that comes late gets an error, and not the file that has the number by then."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


class LocalDisk:
    """The disk of this machine."""

    def names(self, folder: Path) -> list[str]:
        """Names of the files in a folder, in order."""
        return sorted(entry.name for entry in folder.iterdir() if entry.is_file()) if folder.is_dir() else []

    def make_folder(self, folder: Path) -> None:
        """Make a folder, durably."""
        make_folders(folder.absolute())

    def create(self, path: Path) -> DiskFile:
        """Make a file that is not there yet."""
        return LocalFile(path, os.O_CREAT | os.O_EXCL)

    def open(self, path: Path) -> DiskFile:
        """Open a file."""
        return LocalFile(path, 0)

    def remove(self, path: Path) -> None:
        """Delete a file."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        sync_folder(folder)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a spool stands on, and its sizes: the disk, the probe, bytes of a segment, and how many ids are remembered."""

    disk: Disk = field(default_factory=LocalDisk)
    probe: Probe = no_probe
    segment_bytes: int = 64 * 1024 * 1024
    remembered_ids: int = 1_000_000
