"""Objects by key: a folder on this machine, or a bucket on S3. The smallest port that the lake needs.

A key is a relative path with ``/``; no part of it may be ``..`` or begin with a dot.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tailrace.durable import make_folders, replace_file
from tailrace.errors import SettingError, StateError
from tailrace.settings import Settings


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object: its key and its size in bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class TaggedObject:
    """The bytes of an object and the tag that a conditional PUT names."""

    data: bytes
    tag: str


class ObjectStore(Protocol):
    """Where objects are kept."""

    def objects(self, prefix: str) -> Sequence[ObjectInfo]:
        """List the objects directly below a prefix that ends in ``/``, by key."""
        ...

    def folders(self, prefix: str) -> Sequence[str]:
        """List the names of the folders directly below a prefix that ends in ``/``."""
        ...

    def get(self, key: str) -> bytes | None:
        """Read an object whole; ``None`` where there is none."""
        ...

    def get_tagged(self, key: str) -> TaggedObject | None:
        """Read an object and its tag."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole and durably; a reader sees the old one or the new one, never a piece."""
        ...

    def put_if(self, key: str, data: bytes, tag: str | None) -> bool:
        """Write an object if it still has that tag (``None``: if there is none); answer whether it was written."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; none there is no error."""
        ...

    def local_path(self, key: str) -> Path | None:
        """Answer the file that holds an object, where it is one on this machine."""
        ...


class FolderStore:
    """A folder; objects are files, written under a temporary name that begins with ``_``, synced and renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

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
        """Write a file if nobody else did; within one process (the keeper is the one writer of states)."""
        with self._lock:
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


def checked_key(key: str) -> str:
    """Answer the key, or prefix; raises :class:`StateError` where it would lead out of the store."""
    if any(part in {"", "."} or part.startswith("..") for part in key.rstrip("/").split("/")) or "\0" in key:
        raise StateError(f"not a key of the lake: {key!r}")
    return key


def open_store(settings: Settings) -> ObjectStore:
    """Open the lake's store: a folder, or a bucket where the setting ``lake`` is ``s3://bucket/prefix``."""
    location = settings.lake_location
    if not location.startswith("s3://"):
        return FolderStore(Path(location))
    from tailrace import aws  # boto3 takes 300 ms to import, and most have their lake in a folder
    from tailrace.s3_store import S3Store

    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    if not bucket:
        raise SettingError(f"lake = {location!r}: no bucket is named, as in s3://bucket/prefix")
    return S3Store(aws.client("s3", settings), bucket, prefix)


def _tag(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
