"""Files that grow: followed by glob patterns, through renaming, copying and truncating, deletion while they are open, and into the archives that rotation makes of them.

What is read is handed over in whole events (``collectors.join``): the last one waits until the next begins, or until nothing was added for :data:`EVENT_WAIT_S`; a last line without its end
waits for :data:`LINE_WAIT_S`. A position moves when the delivery stream has the lines. Killed at any point and started again, no line is left out and none is there twice
(``collectors.sources.tail_positions`` says how).

A file is known by what it holds. A name that leads to another file is another file; a rotated file is read to its end, also where its new name matches no pattern; an archive, or a copy, of a
file that is gone or was truncated is read on where that one was left, where its name begins with that one's. Lists of records and zips are taken whole.
"""

import logging
import os
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from stat import S_ISREG
from types import TracebackType
from typing import Final, Self

import pyarrow as pa

from collectors.collector import Collector
from collectors.join import MAX_LINES, last_first
from collectors.lines import Origin
from collectors.sources.files import MAX_SOURCE_CHARS, STREAM_NAME, LineSource, kept_bytes
from collectors.sources.patience import StoppedError, patiently
from collectors.sources.tail_positions import BEFORE_BYTES, HEAD_BYTES, Inode, Known, Positions, Stamp, before_of, marks_of
from collectors.sources.tail_readers import Reader, holds, open_reader
from collectors.sources.text_lines import EMPTY_RULE, MAX_LINE_BYTES, line_starts, run_of
from firehose.delivery import DeadLetter
from tailrace.clock import Clock
from tailrace.errors import TransientError

POLL_EVERY_S: Final = 0.25
SCAN_EVERY_S: Final = 1.0
EVENT_WAIT_S: Final = 1.0
LINE_WAIT_S: Final = 5.0
SETTLE_S: Final = 5.0
"""How long an archive, or what may be a copy that is being made, must not have changed before it is looked at."""

IDLE_S: Final = 300.0
"""A file to which nothing was added for so long is closed, and opened again when it changes."""

LEFT_S: Final = 60.0
"""A file that no pattern leads to any more is read for so long after the last line: its writer may not know yet."""

READ_BYTES: Final = 2 * 1024 * 1024
WINDOW_BYTES: Final = 64 * 1024
"""What is looked at, from the end, to find where the last event begins."""

ROUND_BYTES: Final = 16 * 1024 * 1024
"""What is read before positions are written, in all files together; a longer line counts once."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Followed:
    """An open file, what is known of it, and since when it looks as it does."""

    reader: Reader
    known: Known
    waiting: int = -1
    since_s: float = 0.0
    delayed: bool = False


@dataclass(slots=True)
class _Piece:
    """Bytes of a file that are whole events."""

    followed: _Followed
    text: bytes


@dataclass(slots=True)
class _Unsure:
    """A file that is not looked at yet, or again: what it looks like, since when, and whether nothing more is to be found out as long as it does."""

    stamp: Stamp
    since_s: float
    ignored: bool = False


class TailFiles:
    """Follows the files that patterns name; a context manager that does it in a thread."""

    def __init__(
        self,
        collector: Collector,
        patterns: Sequence[str],
        positions: Positions,
        clock: Clock,
        *,
        origin: Origin | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._collector, self._patterns, self._positions, self._clock = collector, tuple(patterns), positions, clock
        self._origin, self._stop = origin or Origin("", STREAM_NAME), stop or threading.Event()
        self._whole = LineSource(collector, clock, origin=self._origin, stop=self._stop)
        self._followed: dict[Inode, _Followed] = {}
        self._unsure: dict[Inode, _Unsure] = {}
        self._there: set[Inode] = set()
        self._scanned_s: float | None = None
        self._dirty = False
        self._thread = threading.Thread(target=self.run, name="tail-files", daemon=True)

    def __enter__(self) -> Self:
        """Begin to follow."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End after the lines at hand."""
        self._stop.set()
        self._thread.join()

    def run(self) -> None:
        """Follow until told to stop."""
        try:
            while not self._stop.is_set():
                try:
                    busy = self.poll()
                except StoppedError:
                    return
                except Exception:  # noqa: BLE001 - a disk that is full for a while, a folder that goes: what was not put stays in its file
                    _log.exception("files cannot be followed; trying again")
                    busy = 0
                if not busy:
                    self._stop.wait(POLL_EVERY_S)
        finally:
            self.close()

    def poll(self) -> int:
        """Look for files where it is time, read each, and hand over what is whole; answer how many pieces were taken."""
        now_s = self._clock.monotonic_s()
        if self._scanned_s is None or now_s - self._scanned_s >= SCAN_EVERY_S:
            self._scanned_s = now_s
            self._scan(now_s)
        pieces = list(self._pieces(now_s))
        for piece in pieces:
            piece.followed.known.sealed = piece.followed.known.offset + len(piece.text)
        if pieces or self._dirty:
            self._positions.save()
            self._dirty = False
        return sum([self._put(piece) for piece in pieces])

    def close(self) -> None:
        """Close all files, and write the positions."""
        for one in self._followed.values():
            one.reader.close()
        self._followed.clear()
        if self._dirty:
            self._positions.save()
            self._dirty = False

    def _scan(self, now_s: float) -> None:
        """Look at what the patterns lead to, and at what lies beside under names that rotation gives."""
        matched = _found(self._patterns)
        beside = _beside([*matched, *(Path(known.last_path) for known in self._positions)], set(matched), self._positions.inodes)
        looked = [(path, stat) for path in (*matched, *beside) if (stat := _stat(path)) is not None]
        self._there = {(stat.st_dev, stat.st_ino) for _, stat in looked}
        self._leave(now_s)
        for path, stat in looked:
            try:
                self._meet(path, stat, now_s, beside=path in beside)
            except OSError as error:
                _log.warning("%s cannot be read: %s", path, error.strerror or error)
        self._unsure = {inode: one for inode, one in self._unsure.items() if inode in self._there}
        self._positions.forget(self._there)

    def _meet(self, path: Path, stat: os.stat_result, now_s: float, *, beside: bool) -> None:
        inode, stamp = (stat.st_dev, stat.st_ino), (stat.st_size, stat.st_mtime_ns)
        if inode in self._followed:
            self._followed[inode].known.last_path = str(path)
            return
        known, seen = self._positions.of(inode), self._unsure.get(inode)
        if not stat.st_size or (known is not None and known.stamp == stamp):
            return
        if seen is None or seen.stamp != stamp:
            seen = self._unsure[inode] = _Unsure(stamp, now_s)
        if not seen.ignored:
            settled = now_s - seen.since_s >= SETTLE_S
            self._decide(path, seen, beside=beside, settled=settled)
            seen.ignored = beside and settled

    def _decide(self, path: Path, seen: _Unsure, *, beside: bool, settled: bool) -> None:
        """Find out what a file holds: what is known, something new, or what cannot be said yet."""
        reader = open_reader(path)
        if reader is None:
            if settled and not beside:
                self._take_whole(path, seen.stamp)
            return
        known = self._recognised(reader, path, settled=settled, beside=beside) if reader.grows or settled else None
        if known is None:
            reader.close()
            return
        known.last_path, known.stamp, self._dirty = str(path), (0, 0), True
        self._followed[reader.inode] = _Followed(reader, known, since_s=self._clock.monotonic_s())

    def _recognised(self, reader: Reader, path: Path, *, settled: bool, beside: bool) -> Known | None:
        known = self._positions.of(reader.inode)
        if known is not None and holds(reader, known):
            return known
        self._positions.let_go(reader.inode)
        known, is_doubtful = self._copied(reader, path)
        if known is not None:
            self._positions.hold(known, reader.inode)
            return known
        return None if beside or (is_doubtful and not settled) else self._positions.new(str(path), reader.head, reader.inode)

    def _copied(self, reader: Reader, path: Path) -> tuple[Known | None, bool]:
        """Answer the file that is gone, or was truncated, of which this one is the copy or the archive; and whether it may yet turn out to be one."""
        doubtful = False
        for known in self._positions:
            if not known.offset or not _is_rotated(path, Path(known.last_path)):
                continue
            is_held = any(one in self._there for one in known.inodes)
            answer = holds(reader, known)
            if answer and not is_held:
                return known, False
            doubtful = doubtful or answer is None or answer
        return None, doubtful

    def _leave(self, now_s: float) -> None:
        """Close what nobody leads to any more, or to which nothing was added for long, when it is read to its end."""
        for inode, one in list(self._followed.items()):
            patience_s = IDLE_S if inode in self._there else LEFT_S if one.reader.state()[1] else LINE_WAIT_S
            if one.waiting == 0 and now_s - one.since_s >= patience_s:
                self._drop(one)

    def _drop(self, one: _Followed) -> None:
        one.known.stamp, self._dirty = one.reader.state()[0], True
        one.reader.close()
        del self._followed[one.reader.inode]

    def _pieces(self, now_s: float) -> Iterator[_Piece]:
        left, taken = ROUND_BYTES, set[str]()
        for one in sorted(self._followed.values(), key=lambda followed: followed.since_s, reverse=True):
            if left <= 0 or self._stop.is_set():
                return
            if one.known.identity in taken:
                continue
            if text := self._next(one, now_s):
                left -= len(text)
                taken.add(one.known.identity)
                yield _Piece(one, text)

    def _next(self, one: _Followed, now_s: float) -> bytes:
        """Answer the bytes from the position on that can be handed over now."""
        known = one.known
        before, text = self._read(one, max(known.sealed - known.offset, READ_BYTES))
        if known.offset and before_of(before) != known.before:
            self._begin_again(one)
            return b""
        if known.sealed > known.offset:
            return text[: known.sealed - known.offset]
        at_end = len(text) < READ_BYTES
        if not at_end and b"\n" not in text:
            text = self._read(one, MAX_LINE_BYTES)[1]
            at_end = len(text) < MAX_LINE_BYTES
        if len(text) != one.waiting:
            one.waiting, one.since_s = len(text), now_s
        if not text and not one.reader.grows:
            self._finish(one)
        return self._whole_events(one, text, now_s - one.since_s, at_end=at_end)

    def _read(self, one: _Followed, count: int) -> tuple[bytes, bytes]:
        """Read what is before the position and what follows it in one go, so that both are of the same file."""
        side = min(one.known.offset, BEFORE_BYTES)
        found = one.reader.read(one.known.offset - side, side + count)
        return found[:side], found[side:]

    def _whole_events(self, one: _Followed, text: bytes, waited_s: float, *, at_end: bool) -> bytes:
        final = at_end and (not one.reader.grows or waited_s >= LINE_WAIT_S)
        whole = text if final else text[: text.rfind(b"\n") + 1]
        if not whole:
            return text if len(text) >= MAX_LINE_BYTES else b""
        if final or (at_end and waited_s >= EVENT_WAIT_S):
            return whole
        last = _last_event(whole)
        return whole[:last] or (b"" if at_end and whole.count(b"\n") < MAX_LINES else whole)

    def _put(self, piece: _Piece) -> bool:
        """Hand a piece over; answer whether it was taken. One that is not taken now (a full spool, a quota that delays) comes again, and holds up no other file."""
        known = piece.followed.known
        origin = replace(self._origin, source=(self._origin.source or f"file:{known.path}")[-MAX_SOURCE_CHARS:], stream=STREAM_NAME, key=str(known.path))
        run = run_of(piece.text, known.offset, origin, f"tail:{known.identity}", self._clock.now_us())
        try:
            self._collector.collect_lines(run.lines, {EMPTY_RULE: run.empty} if run.empty else {})
        except TransientError as error:
            if not piece.followed.delayed:
                _log.warning("%s waits: %s", known.last_path, error)
            piece.followed.delayed = True
            return False
        side = piece.text[-BEFORE_BYTES:]
        if len(side) < BEFORE_BYTES and known.offset:
            side = piece.followed.reader.read(known.offset - min(known.offset, BEFORE_BYTES), BEFORE_BYTES)[: min(known.offset, BEFORE_BYTES)] + side
        known.before = before_of(side)
        if max(known.marks, default=0) < HEAD_BYTES and known.offset < HEAD_BYTES:
            known.marks = marks_of(piece.followed.reader.read(0, min(HEAD_BYTES, known.offset + len(piece.text))))
        known.offset += len(piece.text)
        piece.followed.waiting, piece.followed.delayed = -1, False
        self._dirty = True
        return True

    def _begin_again(self, one: _Followed) -> None:
        """The file was truncated, or written anew: what it holds now is another file."""
        _log.warning("%s was truncated or written anew: it is read from its start", one.known.last_path)
        self._positions.let_go(one.reader.inode)
        one.known = self._positions.new(one.known.last_path, one.reader.head, one.reader.inode)
        one.waiting, self._scanned_s, self._dirty = -1, None, True

    def _finish(self, one: _Followed) -> None:
        """An archive is read to its end, or as far as it can be: it is not opened again as long as it stays as it is."""
        if one.reader.problem:
            self._bury(Path(one.known.last_path), one.reader.problem)
        self._drop(one)

    def _take_whole(self, path: Path, stamp: Stamp) -> None:
        stat, done = path.stat(), self._whole.ingest_file(path)
        if done.problem:
            _log.warning("%s", done.problem)
        inode = (stat.st_dev, stat.st_ino)
        known = self._positions.of(inode) or self._positions.new(str(path), b"", inode)
        known.stamp, self._dirty = stamp, True

    def _bury(self, path: Path, problem: str) -> None:
        try:
            body = kept_bytes(path)
        except OSError:
            body = b""
        letter = DeadLetter("payload", problem, body, {"envelope": STREAM_NAME, "path": str(path)})
        patiently(partial(self._collector.collect_dead, f"file:{path}"[-MAX_SOURCE_CHARS:], [letter]), self._clock, self._stop)


def _last_event(text: bytes) -> int:
    """Answer where the last event of some lines begins; a window at their end is enough, unless the event is longer than that."""
    for size in (WINDOW_BYTES, len(text)):
        start = text.find(b"\n", max(len(text) - size - 1, 0)) + 1 if size < len(text) else 0
        starts = line_starts(text[start:])
        if len(starts) < 2:
            continue
        ends = [*starts[1:], len(text) - start]
        lines = [text[start + first : start + end].rstrip(b"\r\n").decode("utf-8", "replace") for first, end in zip(starts, ends, strict=True)]
        if number := last_first(pa.array(lines, pa.string())):
            return start + int(starts[number])
    return 0


def _found(patterns: Sequence[str]) -> list[Path]:
    """List what patterns lead to; hidden files only where a pattern names them."""
    found = set[Path]()
    for pattern in patterns:
        whole = Path(pattern).expanduser().absolute()
        names = whole.relative_to(whole.anchor).parts
        hidden = any(name.startswith(".") for name in names)
        found |= {path for path in Path(whole.anchor).glob(str(Path(*names))) if hidden or not any(part.startswith(".") for part in path.parts)}
    return sorted(found)


def _beside(paths: Sequence[Path], matched: set[Path], inodes: Collection[Inode]) -> list[Path]:
    """List files that no pattern leads to: those that are known by their inode, and those that bear the names that rotation gives."""
    names: dict[Path, set[str]] = {}
    for path in paths:
        names.setdefault(path.parent, set()).add(path.name)
    numbers = {number for _, number in inodes}
    found = list[Path]()
    for folder, known in names.items():
        try:
            there = [(entry.name, entry.inode()) for entry in os.scandir(folder)]
        except OSError:
            continue
        found += [folder / name for name, number in there if number in numbers or any(name.startswith(one) for one in known)]
    return sorted(path for path in found if path not in matched)


def _is_rotated(path: Path, known: Path) -> bool:
    return path != known and path.parent == known.parent and path.name.startswith(known.name)


def _stat(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found if S_ISREG(found.st_mode) else None
