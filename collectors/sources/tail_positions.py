"""How far each file that grows is read: one JSON file, replaced durably, that knows files by what they hold and not by their names.

What a file holds has an identity: a hash of its first line and of a number that is given once. It stays the same when the file is renamed, copied or compressed, and a file that takes
its name or its inode afterwards gets another. So event ids, which are hashes of the identity, the offset and the line, are the same when lines are put again, and never those of other lines.

``sealed`` is where the lines end that are about to be put. It is written down before they are: after a crash the same bytes are put again as the same events, however much was added
since, and the delivery stream finds them by their ids.
"""

import hashlib
from collections.abc import Collection, Container, Iterator
from pathlib import Path
from typing import Final

import msgspec

from tailrace.durable import make_folders, replace_file
from tailrace.errors import StateError

HEAD_BYTES: Final = 1_024
"""How much of the beginning of a file tells it from others."""

BEFORE_BYTES: Final = 256
"""How much before the position must be what it was when it was read."""

MAX_KNOWN: Final = 4_000
"""Files that are remembered after they are gone; the ones that were met longest ago are forgotten first."""

_LENGTHS: Final = tuple(1 << power for power in range(11))

Inode = tuple[int, int]
"""Device and inode number."""

Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds."""


class Known(msgspec.Struct):
    """What is known of a file: the path that it was met by and the one that it had last, its marks (hashes of its first bytes, by their number), the position, the inodes that hold it."""

    identity: str
    path: str
    last_path: str
    marks: dict[int, str]
    inodes: list[Inode]
    offset: int = 0
    before: str = ""
    sealed: int = 0
    stamp: Stamp = (0, 0)
    """What the file looked like when it was closed, read to its end: as long as it looks so it is not opened."""


class _Stored(msgspec.Struct):
    number: int = 0
    files: list[Known] = []


def marks_of(head: bytes) -> dict[int, str]:
    """Hash the first 1, 2, 4, ... 1,024 bytes, as far as there are so many."""
    return {length: _short(head[:length]) for length in _LENGTHS if length <= len(head)}


def agrees(known: Known, head: bytes) -> bool:
    """Whether a file may begin as a known one does, as far as both are there to be compared."""
    lengths = [length for length in known.marks if length <= len(head)]
    return not lengths or known.marks[max(lengths)] == _short(head[: max(lengths)])


def before_of(text: bytes) -> str:
    """Hash what stands before a position."""
    return _short(text[-BEFORE_BYTES:])


class Positions:
    """What is known of all files; used by one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stored = _load(path)
        self._by_inode = {inode: known for known in self._stored.files for inode in known.inodes}

    def __iter__(self) -> Iterator[Known]:
        """Walk them, those that were met last first."""
        return reversed(list(self._stored.files))

    @property
    def inodes(self) -> Collection[Inode]:
        """All inodes that hold something known."""
        return self._by_inode.keys()

    def of(self, inode: Inode) -> Known | None:
        """Answer what an inode held when it was last looked at."""
        return self._by_inode.get(inode)

    def new(self, path: str, head: bytes, inode: Inode) -> Known:
        """Take up a file that is not known: its identity is given for good when :meth:`save` has written it."""
        self._stored.number += 1
        first = head.partition(b"\n")[0]
        identity = hashlib.blake2b(first + self._stored.number.to_bytes(8, "big"), digest_size=16, person=b"tail").hexdigest()
        known = Known(identity, path, path, marks_of(head), [])
        self._stored.files.append(known)
        self.hold(known, inode)
        return known

    def hold(self, known: Known, inode: Inode) -> None:
        """Note that an inode holds a file, and no other one any more."""
        self.let_go(inode)
        known.inodes.append(inode)
        self._by_inode[inode] = known

    def let_go(self, inode: Inode) -> None:
        """Note that an inode no longer holds what it held: it was truncated, or is another file's now."""
        known = self._by_inode.pop(inode, None)
        if known is not None:
            known.inodes.remove(inode)

    def forget(self, there: Container[Inode]) -> None:
        """Forget what was met longest ago, beyond :data:`MAX_KNOWN`, and is no longer there."""
        beyond = len(self._stored.files) - MAX_KNOWN
        if beyond <= 0:
            return
        for known in [one for one in self._stored.files if not any(inode in there for inode in one.inodes)][:beyond]:
            for inode in list(known.inodes):
                self.let_go(inode)
            self._stored.files.remove(known)

    def save(self) -> None:
        """Write them down, durably."""
        make_folders(self._path.absolute().parent)
        replace_file(self._path, msgspec.json.encode(self._stored))


def _load(path: Path) -> _Stored:
    if not path.exists():
        return _Stored()
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Stored)
    except msgspec.MsgspecError as error:
        raise StateError(f"{path}: not the positions of files: {error}") from error


def _short(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()
