"""A folder of dead letters: one file for each place that they came from, lines of JSON.

The name of a file says where its letters came from (a frame of the spool, or a batch of a sink), so the same letters written again, after a crash, are the same file.
Bounded: a full folder takes no more until some are dropped, and what brings them waits; nothing is thrown away in silence.
"""

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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


class _Stored(msgspec.Struct):
    id: str
    time_us: int
    kind: str
    reason: str
    source: str
    sink: str
    detail: dict[str, str]
    body: bytes

    def letter(self) -> DeadLetter:
        return DeadLetter("document" if self.kind == "document" else "payload", self.reason, self.body, self.detail)

    def row(self) -> dict[str, Any]:
        shown = {"id": self.id, "time": iso_ms(self.time_us), "kind": self.kind, "source": self.source, "sink": self.sink, "reason": self.reason}
        return {**shown, "bytes": len(self.body), "detail": self.detail}


class DeadLetters:
    """The dead letters of a folder; shared by threads and processes."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES, probe: Probe = no_probe) -> None:
        self._folder, self._max_bytes, self._probe = folder, max_bytes, probe

    def write(self, place: str, letters: Sequence[DeadLetter], *, time_us: int, source: str = "", sink: str = "") -> None:
        """Write the letters of one place durably, in place of those that it had.

        Raises :class:`TransientError` where the folder is full, and :class:`OSError`.
        """
        stored = [
            _Stored(f"{place}-{number}", time_us, one.kind, one.reason, one.detail.get("source", source), sink, dict(one.detail), one.body)
            for number, one in enumerate(letters)
        ]
        data = _lines(stored)
        with self._held():
            if sum(path.stat().st_size for path in self._files()) + len(data) > self._max_bytes:
                raise TransientError(f"dead letters fill {self._folder} ({self._max_bytes:,} bytes): replay or drop some")
            replace_file(self._folder / f"{place}{_SUFFIX}", data)
        self._probe("dead.written")

    def rows(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """List the newest, without their bodies: id, time, kind, source, sink, reason, bytes, detail."""
        found: list[_Stored] = []
        for path in sorted(self._files(), key=_age, reverse=True):
            found += _read(path)
            if len(found) >= limit:
                break
        return [one.row() for one in sorted(found, key=lambda one: (-one.time_us, one.id))[:limit]]

    def bodies(self) -> Iterator[tuple[str, bytes]]:
        """Walk the letters: the id and the body of each."""
        for path in sorted(self._files()):
            yield from ((one.id, one.body) for one in _read(path))

    def count(self) -> int:
        """How many there are."""
        return sum(_bytes(path).count(b"\n") for path in self._files())

    def get(self, identity: str) -> DeadLetter | None:
        """Answer one whole; ``None`` where there is none."""
        return next((one.letter() for one in _read(self._path_of(identity)) if one.id == identity), None)

    def drop(self, identity: str) -> bool:
        """Throw one away; answer whether it was there."""
        path = self._path_of(identity)
        with self._held():
            found = _read(path)
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


def _lines(letters: Sequence[_Stored]) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in letters)


def _read(path: Path) -> list[_Stored]:
    return [msgspec.json.decode(line, type=_Stored) for line in _bytes(path).splitlines()]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
