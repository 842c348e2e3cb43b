"""A folder of parts that were fetched from S3, bounded: DuckDB reads files and never talks to the network.

Parts are immutable, so a file that is there is right. When the folder grows past the bound, the files that were used longest ago go; one that
a query has open stays readable until it is closed.
"""

import contextlib
import hashlib
import os
import threading
from pathlib import Path
from typing import Final, Protocol

from tailrace.errors import TransientError
from tailrace.lake import Part

MAX_BYTES: Final = 8 * 1024**3


class GetsObjects(Protocol):
    """The one call of a store that the cache uses."""

    def get(self, key: str) -> bytes | None:
        """Read an object whole; ``None`` where there is none."""
        ...


class PartsChangedError(TransientError):
    """A part that was listed is no longer there; ask again."""


class PartCache:
    """Fetches parts once and keeps them in a folder."""

    def __init__(self, store: GetsObjects, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._store, self._folder, self._max_bytes = store, folder, max_bytes
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}

    def path_of(self, part: Part) -> Path:
        """Answer the file of a part, fetched if it is not there."""
        path = self._folder / _name(part)
        with self._one_at_a_time(path.name):
            if not path.exists():
                self._fetch(part, path)
            with contextlib.suppress(FileNotFoundError):
                os.utime(path)
        return path.resolve()

    def _one_at_a_time(self, name: str) -> threading.Lock:
        with self._lock:
            return self._fetching.setdefault(name, threading.Lock())

    def _fetch(self, part: Part, path: Path) -> None:
        data = self._store.get(part.key)
        if data is None:
            raise PartsChangedError(f"{part.key} is gone")
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"_{path.name}.{os.getpid()}.{threading.get_ident()}")
        temporary.write_bytes(data)
        temporary.replace(path)
        self._shrink(keep=path)

    def _shrink(self, keep: Path) -> None:
        with self._lock:
            files = sorted((entry.stat().st_mtime_ns, entry.stat().st_size, entry.path) for entry in os.scandir(self._folder) if entry.name[0] != "_")
            total = sum(size for _, size, _ in files)
            for _, size, path in files:
                if total <= self._max_bytes:
                    return
                if path != str(keep):
                    Path(path).unlink(missing_ok=True)
                    self._fetching.pop(Path(path).name, None)
                    total -= size


def _name(part: Part) -> str:
    digest = hashlib.blake2b(part.key.encode(), digest_size=12).hexdigest()
    return f"{digest}-{part.size}.parquet"
