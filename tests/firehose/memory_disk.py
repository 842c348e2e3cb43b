"""A disk in memory that can lose power: what was not synced may be there whole, torn in sectors of 512 bytes, or not at all, and so may names.

After the model of ALICE (Pillai et al., OSDI 2014): un-synced writes reach the disk in any order, sector by sector; a new name is durable after its folder was synced.
"""

import errno
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512


@dataclass
class Inode:
    """A file: what a reader sees, and what is certainly on the disk."""

    seen: bytearray = field(default_factory=bytearray)
    durable: bytes = b""


class MemoryDisk:
    """Names and files; ``room`` is how many bytes may still be allocated."""

    def __init__(self) -> None:
        self.files: dict[Path, Inode] = {}
        self.durable_names: dict[Path, Inode] = {}
        self.room = 1 << 40

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in self.files if path.parent == folder)

    def make_folder(self, folder: Path) -> None:
        """Folders are always there."""

    def create(self, path: Path) -> "MemoryFile":
        if path in self.files:
            raise FileExistsError(errno.EEXIST, "there is one", str(path))
        self.files[path] = Inode()
        return MemoryFile(self, self.files[path])

    def open(self, path: Path) -> "MemoryFile":
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "there is none", str(path))
        return MemoryFile(self, self.files[path])

    def remove(self, path: Path) -> None:
        self.files.pop(path, None)

    def sync_folder(self, folder: Path) -> None:
        kept = {path: inode for path, inode in self.durable_names.items() if path.parent != folder}
        self.durable_names = kept | {path: inode for path, inode in self.files.items() if path.parent == folder}

    def lose_power(self, chance: random.Random) -> None:
        """Keep what is durable, and of the rest whatever chance keeps."""
        after: dict[Path, Inode] = {}
        for path in {*self.files, *self.durable_names}:
            inode = self.durable_names.get(path)
            if path in self.files and (inode is None or inode is not self.files[path]) and chance.random() < 0.5:
                inode = self.files[path]
            if inode is not None and (path in self.files or chance.random() < 0.5):
                kept = _torn(inode, chance)
                after[path] = Inode(bytearray(kept), kept)
        self.files, self.durable_names = after, dict(after)


def _torn(inode: Inode, chance: random.Random) -> bytes:
    """Of what was not synced, keep some sectors; the length may have grown before the bytes came."""
    if bytes(inode.seen) == inode.durable:
        return inode.durable
    length = chance.choice([len(inode.durable), len(inode.seen), chance.randint(*sorted((len(inode.durable), len(inode.seen))))])
    old, new = inode.durable.ljust(length, b"\0"), bytes(inode.seen).ljust(length, b"\0")
    return b"".join((new if chance.random() < 0.6 else old)[at : min(at + SECTOR, length)] for at in range(0, length, SECTOR))


class MemoryFile:
    """An open file of a :class:`MemoryDisk`."""

    def __init__(self, disk: MemoryDisk, inode: Inode) -> None:
        self._disk, self._inode = disk, inode

    def size(self) -> int:
        return len(self._inode.seen)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self._inode.seen[offset : offset + length])

    def write(self, offset: int, pieces: Sequence[bytes | memoryview]) -> None:
        data, seen = b"".join(pieces), self._inode.seen
        grown = max(offset + len(data) - len(seen), 0)
        if grown > self._disk.room:
            fits = data[: max(len(data) - grown + self._disk.room, 0)]
            self._put(offset, fits)
            raise OSError(errno.ENOSPC, "no space left on device")
        self._disk.room -= grown
        self._put(offset, data)

    def _put(self, offset: int, data: bytes) -> None:
        seen = self._inode.seen
        seen.extend(bytes(max(offset - len(seen), 0)))
        seen[offset : offset + len(data)] = data

    def sync(self) -> None:
        self._inode.durable = bytes(self._inode.seen)

    def truncate(self, size: int) -> None:
        self._disk.room += max(len(self._inode.seen) - size, 0)
        del self._inode.seen[size:]

    def close(self) -> None:
        """Nothing is held."""
