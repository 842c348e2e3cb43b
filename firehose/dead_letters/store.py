"""A folder of dead letters: one file for each place that they came from, lines of JSON.

The name of a file says where its letters came from (a frame of the spool, or a batch of a sink), so the same letters written again, after a crash, are the same file.
Bounded: a full folder takes no more until some are dropped, and what brings them waits; nothing is thrown away in silence.
"""

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from firehose.delivery import DeadLetter
from firehose.disk import Probe, no_probe
from tailrace.clock import iso_ms
from tailrace.durable import make_folders, replace_file, sync_folder
from tailrace.errors import TransientError

MAX_BYTES: Final = 1024 * 1024 * 1024
_SUFFIX: Final = ".jsonl"


class Stored(msgspec.Struct):
    """A letter as it lies in its file."""

    id: str
    time_us: int
    kind: str
    reason: str
    source: str
    sink: str
    detail: dict[str, str]
    body: bytes

    def letter(self) -> DeadLetter:
        """Answer the letter itself."""
        return DeadLetter("document" if self.kind == "document" else "payload", self.reason, self.body, self.detail)

    def row(self) -> dict[str, Any]:
        """Answer it without its body, as it is listed."""
        shown = {"id": self.id, "time": iso_ms(self.time_us), "kind": self.kind, "source": self.source, "sink": self.sink, "reason": self.reason}
        return {**shown, "bytes": len(self.body), "detail": self.detail}


class DeadLetters:
    """The dead letters of a folder; shared by threads and processes."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES, probe: Probe = no_probe) -> None:
        self._folder, self.max_bytes, self._probe = folder, max_bytes, probe
        self._counted: dict[str, tuple[tuple[int, int, int], int]] = {}

    def write(self, place: str, letters: Sequence[DeadLetter], *, time_us: int, source: str = "", sink: str = "", numbers: Sequence[int] | None = None) -> None:
        """Write the letters of one place durably, in place of those that it had; ``numbers`` are theirs in the place, where some are left out.

        Raises :class:`TransientError` where the folder is full, and :class:`OSError`.
        """
        stored = [
            Stored(f"{place}-{number}", time_us, one.kind, one.reason, one.detail.get("source", source), sink, dict(one.detail), one.body)
            for number, one in zip(numbers if numbers is not None else range(len(letters)), letters, strict=True)
        ]
        data = _lines(stored)
        with self._held():
            if sum(path.stat().st_size for path in self._files()) + len(data) > self.max_bytes:
                raise TransientError(f"dead letters fill {self._folder} ({self.max_bytes:,} bytes): replay or drop some")
            replace_file(self._folder / f"{place}{_SUFFIX}", data)
        self._probe("dead.written")

    def rows(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """List the newest, without their bodies: id, time, kind, source, sink, reason, bytes, detail."""
        found: list[Stored] = []
        for path in sorted(self._files(), key=_age, reverse=True):
            found += read_file(path)
            if len(found) >= limit:
                break
        return [one.row() for one in sorted(found, key=lambda one: (-one.time_us, one.id))[:limit]]

    def files(self) -> Sequence[tuple[Path, int, int]]:
        """List the files there are: path, time of change and bytes; a file that changes is another one."""
        found = []
        for path in sorted(self._files()):
            with suppress(FileNotFoundError):
                status = path.stat()
                found.append((path, status.st_mtime_ns, status.st_size))
        return found

    def all(self) -> Iterator[Stored]:
        """Walk all of them, file by file, with their bodies."""
        for path in sorted(self._files()):
            yield from read_file(path)

    def bodies(self) -> Iterator[tuple[str, bytes]]:
        """Walk the letters: the id and the body of each."""
        return ((one.id, one.body) for one in self.all())

    def count(self) -> int:
        """How many there are."""
        return self.usage()[0]

    def usage(self) -> tuple[int, int]:
        """How many there are, and the bytes of their files; a file is read once, and again when it was written again."""
        known, found, size = self._counted, dict[str, tuple[tuple[int, int, int], int]](), 0
        for path in self._files():
            version = _version(path)
            if version is None:
                continue
            before = known.get(path.name)
            found[path.name] = before if before is not None and before[0] == version else (version, _bytes(path).count(b"\n"))
            size += version[-1]
        self._counted = found
        return sum(count for _, count in found.values()), size

    def get(self, identity: str) -> DeadLetter | None:
        """Answer one whole; ``None`` where there is none."""
        found = self.find(identity)
        return found.letter() if found else None

    def find(self, identity: str) -> Stored | None:
        """Answer one as it is stored; ``None`` where there is none."""
        return next((one for one in read_file(self._path_of(identity)) if one.id == identity), None)

    def drop(self, identity: str) -> bool:
        """Throw one away; answer whether it was there."""
        path = self._path_of(identity)
        with self._held():
            found = read_file(path)
            kept = [one for one in found if one.id != identity]
            if len(kept) == len(found):
                return False
            if kept:
                replace_file(path, _lines(kept))
            else:
                path.unlink()
                sync_folder(self._folder)
        return True

    def _path_of(self, identity: str) -> Path:
        place = identity.rpartition("-")[0]
        known = {path.stem: path for path in self._files()}
        return known.get(place, self._folder / "none")

    def _files(self) -> list[Path]:
        return [path for path in self._folder.glob(f"*{_SUFFIX}") if not path.name.startswith("_")]

    @contextmanager
    def _held(self) -> Iterator[None]:
        make_folders(self._folder.absolute())
        with (self._folder / "lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _lines(letters: Sequence[Stored]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in letters)


def read_file(path: Path) -> list[Stored]:
    """Answer the letters of a file; none where it is gone."""
    return [msgspec.json.decode(line, type=Stored) for line in _bytes(path).splitlines()]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _version(path: Path) -> tuple[int, int, int] | None:
    """Answer what tells a file from the one that was there before it: inode, time and size; ``None`` where it is gone."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
