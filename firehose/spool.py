"""The spool: deliveries on disk, in order, acknowledged after they are synced.

::

    identity                    16 hex digits: the producer's name in the lake (8), and the secret that seeds the checksums (8)
    segment-00000001.log        frames (firehose.frame), one after the other; a new segment after ``segment_bytes`` and at every start

Puts that come at the same time share one write and one fdatasync (group commit; ``firehose.turns`` says who does it): a group is written only after the one before it is synced, so what a
power loss can tear is the last group alone. At a start the torn tail of the last segment is cut off. A bad frame anywhere else is stepped over, and the
rows that it held are counted as lost, exactly: every frame says how many rows came before it.

A write that fails (disk full) is taken back by ftruncate; nothing of the group was taken. The number of a segment is never used again.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from firehose.disk import DiskFile, Machine
from firehose.frame import NO_ROWS, START, Encoded, Head, Position, Totals, frame_pieces
from firehose.segment import Found, Hole, Wanted, every, frames, none
from firehose.turns import Turns, Waiter
from tailrace.errors import StateError, TransientError

_PREFIX, _SUFFIX = "segment-", ".log"
_IDENTITY: Final = "identity"


@dataclass(slots=True)
class Ticket(Waiter):
    """A delivery that waits for its group's sync."""

    frame: Encoded
    before: Totals
    undo: Callable[[], None]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """What a reader meets: a frame (``head`` and ``body``), or what is lost (``body`` is ``None``; ``head`` where it could be read)."""

    start: Position
    next: Position
    head: Head | None
    body: bytes | None
    lost: Totals = NO_ROWS


@dataclass(slots=True)
class SpoolCounts:
    """What the spool met since it was opened."""

    torn_bytes: int = 0
    holes: int = 0
    refused: int = 0
    syncs: int = 0
    frames: int = 0
    error: str = ""
    """Why the last put was refused; empty where it was taken."""


@dataclass(slots=True)
class _Current:
    number: int
    file: DiskFile
    size: int = 0
    dirty: bool = field(default=False)


class Spool:
    """The segment log of one folder; one process at a time (``firehose.lock``).

    ``floor`` is the furthest position that any sink knows, and ``passed`` the rows before it: segments are numbered on from there.
    """

    def __init__(
        self, folder: Path, machine: Machine, *, max_bytes: int, new_identity: Callable[[], str], floor: Position = START, passed: Totals = NO_ROWS
    ) -> None:
        self._folder, self._disk, self._probe = folder, machine.disk, machine.probe
        self._segment_bytes, self._max_bytes = machine.segment_bytes, max_bytes
        self._end, self._totals, self._next_totals, self._next_number = floor, passed, passed, 1
        self.lock = threading.Lock()
        """Held by the caller around what decides what is put and :meth:`enqueue`, so that frames are in the order of the decisions."""
        self._turns = Turns()
        self._queue: list[Ticket] = []
        self._queued_bytes = 0
        self._current: _Current | None = None
        self.counts = SpoolCounts()
        self._disk.make_folder(folder)
        identity = self._identity(new_identity)
        self.producer, self._secret = identity[:8], int(identity[8:], 16)
        self._sizes = dict.fromkeys(self._numbers(), 0)
        self._recover(floor, passed)

    @property
    def end(self) -> Position:
        """Where the next frame will lie: everything before it is durable."""
        return self._end

    @property
    def totals(self) -> Totals:
        """Rows that were ever taken."""
        return self._totals

    @property
    def bytes_on_disk(self) -> int:
        """Bytes of all segments."""
        return sum(self._sizes.values())

    @property
    def segments(self) -> list[int]:
        """The numbers of the segments that are there, oldest first."""
        return sorted(self._sizes)

    def enqueue(self, frame: Encoded, undo: Callable[[], None]) -> Ticket:
        """Give a frame its place; :attr:`lock` is held. ``undo`` is called, with the lock held, where it is refused later.

        Raises :class:`TransientError` where the spool is full.
        """
        size = len(frame.body) + len(frame.ids)
        if self.bytes_on_disk + self._queued_bytes + size > self._max_bytes:
            self.counts.refused += 1
            self.counts.error = f"the spool is full ({self.bytes_on_disk:,} of {self._max_bytes:,} bytes): a sink is behind"
            raise TransientError(self.counts.error)
        ticket = Ticket(frame, self._next_totals, undo)
        self._next_totals = self._next_totals.plus(frame.head.totals)
        self._queue.append(ticket)
        self._queued_bytes += size
        return ticket

    def commit(self, ticket: Ticket) -> None:
        """Wait until a frame is durable; raises :class:`TransientError` where it was not taken."""
        if self._turns.leads(ticket):
            try:
                self._commit_group()
            finally:
                self._turns.hand_over()
        if ticket.error:
            raise TransientError(ticket.error)

    def read(self, start: Position, passed: Totals, wanted: Wanted = every) -> Iterator[Item]:
        """Walk what is durable from a position on; ``passed`` are the rows before it. Ends at the end of the moment when it was called."""
        end, totals = self._end, self._totals
        hole: Position | None = None
        for number, item in self._walk(start, end, wanted):
            if isinstance(item, Hole):
                self.counts.holes += 1
                hole = hole or Position(number, item.start)
                continue
            before, position = item.head.before, Position(number, item.start)
            if hole is not None or before != passed:
                yield Item(hole or position, position, None, None, before.minus(passed))
                hole = None
            passed = before.plus(item.head.totals)
            lost = item.head.totals if item.body is None else Totals()
            yield Item(position, Position(number, item.end), item.head, item.body, lost)
        if hole is not None:
            yield Item(hole, end, None, None, totals.minus(passed))

    def first(self, start: Position, wanted: Wanted) -> tuple[Position, int] | None:
        """Answer the place and the receipt time of the first frame from a position on whose head is wanted; ``None`` where there is none. Bodies are not read."""
        with contextlib.suppress(KeyError):  # a segment was deleted meanwhile
            for number, item in self._walk(start, self._end, none):
                if isinstance(item, Found) and wanted(item.head):
                    return Position(number, item.start), item.head.received_us
        return None

    def heads(self, number: int) -> Iterator[Found]:
        """Walk heads and ids of a segment, without bodies."""
        with contextlib.closing(self._disk.open(self._path(number))) as file:
            yield from (item for item in frames(file, self._secret, 0, self._sizes[number], none) if isinstance(item, Found))

    def start(self) -> tuple[Position, Totals]:
        """Answer the place of the first frame that is there, and the rows before it; the end where there is none."""
        for number in self.segments:
            first = next(self.heads(number), None)
            if first is not None:
                return Position(number, first.start), first.head.before
        return self._end, self._totals

    def remove_before(self, position: Position) -> list[int]:
        """Delete the segments that lie before a position whole; answer their numbers."""
        gone = [number for number in self.segments if number < position.segment]
        for number in gone:
            self._disk.remove(self._path(number))
            del self._sizes[number]
            self._probe("spool.removed")
        return gone

    def close(self) -> None:
        """Close the current segment."""
        if self._current is not None:
            self._current.file.close()
            self._current = None

    def _walk(self, start: Position, end: Position, wanted: Wanted) -> Iterator[tuple[int, Found | Hole]]:
        for number in [one for one in self.segments if start.segment <= one <= end.segment]:
            first = start.offset if number == start.segment else 0
            last = end.offset if number == end.segment else self._sizes[number]
            if first >= last:
                continue
            try:
                file = self._disk.open(self._path(number))
            except OSError:
                yield number, Hole(first, last)
                continue
            with contextlib.closing(file):
                yield from ((number, item) for item in frames(file, self._secret, first, last, wanted))

    def _commit_group(self) -> None:
        with self.lock:
            group, self._queue, self._queued_bytes = self._queue, [], 0
        try:
            current = self._open_segment()
            pieces = [piece for ticket in group for piece in frame_pieces(ticket.frame, ticket.before, current.size, self._secret)]
            self._write(current, pieces)
        except OSError as error:
            self._refuse(group, f"the spool cannot be written: {error.strerror or error}")
            return
        self._end = Position(current.number, current.size)
        self._totals = group[-1].before.plus(group[-1].frame.head.totals)
        self.counts.frames += len(group)
        self.counts.error = ""
        for ticket in group:
            ticket.done = True

    def _write(self, current: _Current, pieces: list[bytes]) -> None:
        size = sum(map(len, pieces))
        try:
            current.dirty = True
            current.file.write(current.size, pieces)
            self._probe("spool.written")
            current.file.sync()
            self._probe("spool.synced")
        except OSError:
            current.file.truncate(current.size)
            current.dirty = False
            raise
        current.dirty = False
        current.size += size
        self._sizes[current.number] = current.size
        self.counts.syncs += 1

    def _refuse(self, group: list[Ticket], reason: str) -> None:
        """Refuse a group and all that was queued behind it: they may have been judged by what it held."""
        with self.lock:
            refused, self._queue, self._queued_bytes = [*group, *self._queue], [], 0
            for ticket in refused:
                ticket.undo()
                ticket.done, ticket.error = True, reason
            self._next_totals = self._totals
            self.counts.refused += len(refused)
            self.counts.error = reason

    def _open_segment(self) -> _Current:
        if self._current is not None and self._current.dirty:
            self._current.file.truncate(self._current.size)
            self._current.dirty = False
        if self._current is not None and self._current.size < self._segment_bytes:
            return self._current
        number = self._next_number
        file = self._disk.create(self._path(number))
        self._next_number += 1
        self._probe("spool.segment_created")
        self._disk.sync_folder(self._folder)
        self._probe("spool.folder_synced")
        self.close()
        self._sizes[number] = 0
        self._current = _Current(number, file)
        return self._current

    def _recover(self, floor: Position, passed: Totals) -> None:
        for number in self.segments:
            with contextlib.closing(self._disk.open(self._path(number))) as file:
                self._sizes[number] = file.size()
        if self._sizes:
            self._cut_tail(self.segments[-1])
        self._end = max([floor, *(Position(number, size) for number, size in self._sizes.items() if size)])  # no sink comes to one that a kill left empty
        self._totals = self._next_totals = self._last_totals(passed)
        self._next_number = max(self._end.segment, *self._sizes, 0) + 1

    def _cut_tail(self, number: int) -> None:
        """Cut the last segment at its first bad byte, unless a later group shows that what is bad there was synced once: the last group was never acknowledged.

        What the disk does not read is not torn, and stays.
        """
        with contextlib.closing(self._disk.open(self._path(number))) as file:
            size = self._sizes[number]
            torn: int | None = None
            for item in frames(file, self._secret, 0, size):
                if item.unreadable:
                    torn = None
                elif isinstance(item, Hole) or item.body is None:
                    torn = item.start if torn is None else torn
                elif torn is not None and item.group > torn:
                    torn = None
            if torn is not None:
                file.truncate(torn)
                file.sync()
                self.counts.torn_bytes += size - torn
                self._sizes[number] = torn

    def _last_totals(self, passed: Totals) -> Totals:
        for number in reversed(self.segments):
            ends = [found.head.before.plus(found.head.totals) for found in self.heads(number)]
            if ends:
                return Totals(*map(max, ends[-1], passed))
        return passed

    def _identity(self, new_identity: Callable[[], str]) -> str:
        path = self._folder / _IDENTITY
        if _IDENTITY in self._disk.names(self._folder):
            with contextlib.closing(self._disk.open(path)) as file:
                text = file.read(0, 64).decode("ascii", "replace")
            if len(text) == 16 and not set(text) - set("0123456789abcdef"):
                return text
            if self._numbers():
                raise StateError(f"{path}: not an identity (16 hex digits), and there are segments beside it")
            self._disk.remove(path)
        text = new_identity()
        with contextlib.closing(self._disk.create(path)) as file:
            file.write(0, [text.encode()])
            file.sync()
        self._disk.sync_folder(self._folder)
        return text

    def _numbers(self) -> list[int]:
        names = self._disk.names(self._folder)
        middles = [name[len(_PREFIX) : -len(_SUFFIX)] for name in names if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]
        return sorted(int(middle) for middle in middles if middle.isdecimal())

    def _path(self, number: int) -> Path:
        return self._folder / f"{_PREFIX}{number:08}{_SUFFIX}"
