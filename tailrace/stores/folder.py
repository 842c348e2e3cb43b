"""Objects in a folder of this machine."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tailrace.durable import TEMPORARY, make_folders, replace_file
from tailrace.stores.port import ObjectInfo, TaggedObject, checked_key


class FolderStore:
    """A folder; objects are files, written under a temporary name that begins with ``_``, synced and renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def objects(self, prefix: str) -> Sequence[ObjectInfo]:
        """List the files directly in a folder, by key; temporary ones are left out."""
        return sorted((self._info(entry, prefix) for entry in self._scan(prefix) if entry.is_file()), key=lambda info: info.key)

    def folders(self, prefix: str) -> Sequence[str]:
        """List the names of the folders directly in a folder."""
        return sorted(entry.name for entry in self._scan(prefix) if entry.is_dir())

    def get(self, key: str) -> bytes | None:
        """Read a file; ``None`` where there is none."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def get_tagged(self, key: str) -> TaggedObject | None:
        """Read a file; its tag is a hash of its bytes."""
        data = self.get(key)
        return None if data is None else TaggedObject(data, _tag(data))

    def put(self, key: str, data: bytes) -> None:
        """Write a file durably: temporary name, fsync, rename, fsync of the folder."""
        path = self._path(key)
        make_folders(path.parent)
        replace_file(path, data)

    def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
        """Write a file if nobody else did; threads and processes wait for each other."""
        with self._held():
            found = self.get_tagged(key)
            if (found.tag if found else None) != tag:
                return False
            self.put(key, data)
            return True

    def delete(self, key: str) -> None:
        """Delete a file."""
        self._path(key).unlink(missing_ok=True)

    def local_path(self, key: str) -> Path | None:
        """Answer the file."""
        return self._path(key)

    def sweep(self, before_s: float) -> int:
        """Delete temporary files of writers that were killed: last written before a time (seconds since 1970). Answer how many."""
        swept = 0
        for folder, _, names in os.walk(self._root):
            for name in filter(TEMPORARY.fullmatch, names):
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < before_s:
                        path.unlink()
                        swept += 1
        return swept

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        make_folders(self._root.absolute())
        with (self._root / "_lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _scan(self, prefix: str) -> list[os.DirEntry[str]]:
        try:
            return [entry for entry in os.scandir(self._path(prefix)) if not entry.name.startswith("_")]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _info(self, entry: os.DirEntry[str], prefix: str) -> ObjectInfo:
        size = 0
        with contextlib.suppress(FileNotFoundError):
            size = entry.stat().st_size
        return ObjectInfo(f"{prefix}{entry.name}", size)

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)


def _tag(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
