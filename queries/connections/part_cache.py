"""A folder of parts that were fetched from S3, bounded: DuckDB reads files and never talks to the network.

Parts are immutable, so a file that is there and as long as its part is right; one that a crash cut short is fetched again. Before a file comes that would break the bound, those that were used longest
ago go, but for those of the same query; one that a query has open stays readable until it is closed. Several processes may share the folder: where another one took a file away, the query is asked again.
What a killed process left half written goes after an hour.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from tailrace.errors import RequestError, TransientError
from tailrace.lake import Part

MAX_BYTES: Final = 8 * 1024**3
ABANDONED_S: Final = 3_600.0
"""How much older than the newest file a half-written one is that nobody writes any more: S3 is read within a minute."""


class GetsObjects(Protocol):
    """The one call of a store that the cache uses."""

    def get(self, key: str) -> bytes | None:
        """Read an object whole; ``None`` where there is none."""
        ...


class PartsChangedError(TransientError):
    """A part that was listed is no longer there; ask again."""


class PartCache:
    """Fetches parts once and keeps them in a folder, of at most so many bytes."""

    def __init__(self, store: GetsObjects, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._store, self._folder, self._max_bytes = store, folder, max_bytes
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}

    def paths_of(self, parts: Sequence[Part]) -> list[Path]:
        """Answer the files of the parts of one query, fetched where they are not there.

        Raises :class:`RequestError` where they are more than the folder may hold, and :class:`PartsChangedError` where one is gone.
        """
        size = sum(part.size for part in parts)
        if size > self._max_bytes:
            raise RequestError(
                f"would read {size:,} bytes of the lake, and this machine keeps {self._max_bytes:,}: ask for a shorter time, or raise TAILRACE_PART_CACHE_BYTES"
            )
        together = frozenset(_name(part) for part in parts)
        return [self._path_of(part, together) for part in parts]

    def _path_of(self, part: Part, together: frozenset[str]) -> Path:
        path = self._folder / _name(part)
        with self._one_at_a_time(path.name):
            if not _is_whole(path, part):
                self._fetch(part, path, together)
            with contextlib.suppress(FileNotFoundError):
                os.utime(path)
        return path.resolve()

    def _one_at_a_time(self, name: str) -> threading.Lock:
        with self._lock:
            return self._fetching.setdefault(name, threading.Lock())

    def _fetch(self, part: Part, path: Path, together: frozenset[str]) -> None:
        data = self._store.get(part.key)
        if data is None:
            raise PartsChangedError(f"{part.key} is gone")
        if len(data) != part.size:
            raise PartsChangedError(f"{part.key} has {len(data):,} bytes, and {part.size:,} were listed")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room(len(data), together)
        temporary = path.with_name(f"_{path.name}.{os.getpid()}.{threading.get_ident()}")
        temporary.write_bytes(data)
        temporary.replace(path)

    def _make_room(self, more: int, together: frozenset[str]) -> None:
        with self._lock:
            files = sorted(_files(self._folder))
            newest, total = max((at for at, _, _ in files), default=0.0), more + sum(size for _, size, _ in files)
            for at, size, name in files:
                abandoned = name.startswith("_")
                if (newest - at > ABANDONED_S) if abandoned else (total > self._max_bytes and name not in together):
                    (self._folder / name).unlink(missing_ok=True)
                    total -= size


def _files(folder: Path) -> Iterator[tuple[float, int, str]]:
    """Answer when each file was used last, its bytes and its name; another process may delete one meanwhile."""
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            status = entry.stat()
            yield status.st_mtime, status.st_size, entry.name


def _is_whole(path: Path, part: Part) -> bool:
    try:
        return path.stat().st_size == part.size
    except FileNotFoundError:
        return False


def _name(part: Part) -> str:
    digest = hashlib.blake2b(part.key.encode(), digest_size=12).hexdigest()
    return f"{digest}-{part.size}.parquet"
