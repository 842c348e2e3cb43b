"""The clerk: keeps the ledger, puts dead letters of deliveries where they belong, and lets the spool delete what everybody has.

It reads the heads of the spool's frames in order. What they say, and what the sinks say of their batches, goes to the ledger together with how far was read, in one
transaction; outcomes of a batch only after the frames that it is made of. So the ledger adds up at any moment.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from firehose.batches import UNREADABLE, keys_of
from firehose.cursor import Outcome
from firehose.dead_letters import DeadLetters
from firehose.disk import Probe, no_probe
from firehose.frame import Head, Position, Totals, decode_dead
from firehose.routes import tier_of
from firehose.spool import Item, Spool
from firehose.sums import Sums
from tailrace.errors import TransientError
from tailrace.ledger import Key, Ledger, LedgerWriter, Progress

FRAMES_A_STEP: Final = 4_000
PAUSE_S: Final = 0.1
RETRY_S: Final = 1.0
BALLAST_BYTES: Final = 4 * 1024 * 1024
"""Space that is kept for the ledger, and given up to it where the disk is full."""

_log = logging.getLogger(__name__)

Counts = dict[Key, list[int]]
Reports = Mapping[str, Sequence[Outcome]]


class Clerk:
    """Applies the facts of the spool and of its sinks."""

    def __init__(
        self,
        spool: Spool,
        ledger: LedgerWriter,
        dead: DeadLetters,
        *,
        reports: Callable[[], Reports],
        moved: Callable[[], None] = lambda: None,
        ballast: Path | None = None,
        probe: Probe = no_probe,
    ) -> None:
        self._spool, self._ledger, self._dead, self._reports, self._moved, self._ballast, self._probe = spool, ledger, dead, reports, moved, ballast, probe
        self._progress = ledger.progress()
        read = Ledger(ledger.path)
        self.sums = Sums(read.hops, read.sources)
        self.error = ""
        self._wake, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)
        self._fill_ballast()

    @property
    def position(self) -> Position:
        """Everything before it is in the ledger."""
        found = self._progress.get("spool", Progress())
        return Position(found.segment, found.offset)

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def reported(self, sink: str) -> int:
        """Answer the number of the last batch of a sink that is in the ledger."""
        return self._progress.get(sink, Progress()).number

    def progress(self, sink: str) -> Progress | None:
        """Answer how far a sink was when the ledger last heard of it; ``None`` where it is not counted."""
        return self._progress.get(sink)

    def begin(self, start: Position, passed: Totals) -> None:
        """Begin a ledger that is new at a place in the spool."""
        if "spool" not in self._progress:
            self._apply({}, {"spool": Progress(*start, rows=passed)})

    def enrol(self, sink: str, at: Progress) -> None:
        """Count a sink from a place in the spool on."""
        self.catch_up(Position(at.segment, at.offset))
        with self.sums.forgetting():
            self._ledger.enrol(sink, at)
        self._progress[sink] = at

    def retire(self, sink: str, outcomes: Sequence[Outcome]) -> None:
        """Cease to count a sink."""
        self.catch_up(self._spool.end)
        self._apply(*self._with_outcomes({}, {sink: outcomes}))
        with self.sums.forgetting():
            self._ledger.retire(sink)
        del self._progress[sink]

    def catch_up(self, until: Position) -> None:
        """Apply the frames before a position."""
        while self.position < until and self._read_frames(until, {}):
            pass

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self, *, hurry: bool = False) -> None:
        """Say that there is something new; with ``hurry``, that somebody waits for it."""
        self._wake.set()
        if hurry:
            self._hurry.set()

    def stop(self, timeout_s: float) -> None:
        """End the thread, and apply what is there."""
        self._stop.set()
        self.wake(hurry=True)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        with suppress(OSError, sqlite3.Error, TransientError):
            self._apply_all()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(60)
            self._wake.clear()
            try:
                self._apply_all()
                self.error = ""
            except Exception as error:  # noqa: BLE001 - the ledger's disk may be full for a while: what is not applied stays in the spool
                _log.exception("ledger")
                self.error = str(error) or type(error).__name__
                self._stop.wait(RETRY_S)
                self._wake.set()
            self._moved()
            self._hurry.wait(PAUSE_S)
            self._hurry.clear()

    def _apply_all(self) -> None:
        """Apply all that is there at this moment."""
        reports = self._reports()
        end = self._spool.end
        while self._read_frames(end, reports):
            pass

    def _read_frames(self, until: Position, reports: Reports) -> bool:
        """Apply the next frames, and with the last of them the outcomes; answer whether there may be more."""
        start = self._progress.get("spool", Progress())
        at, passed, counts, frames = Position(start.segment, start.offset), Totals(*start.rows), Counts(), 0
        sinks = [name for name in self._progress if name != "spool"]
        for item in self._spool.read(at, passed, lambda head: head.dead > 0):
            if item.start >= until or frames >= FRAMES_A_STEP:
                break
            self._bury(item)
            _count_item(counts, item, sinks)
            passed = passed.plus(item.lost) if item.head is None else item.head.before.plus(item.head.totals)
            at, frames = item.next, frames + 1
        more = frames >= FRAMES_A_STEP
        progress = {"spool": Progress(*at, rows=passed)} if frames else {}
        counts, outcomes = self._with_outcomes(counts, {} if more else reports)
        self._apply(counts, progress | outcomes)
        return more

    def _with_outcomes(self, counts: Counts, reports: Reports) -> tuple[Counts, dict[str, Progress]]:
        progress = {}
        for sink, outcomes in reports.items():
            new = [one for one in outcomes if one.number > self.reported(sink)] if sink in self._progress else []
            _count_outcomes(counts, sink, new)
            if new:
                progress[sink] = Progress(*new[-1].end, new[-1].number, new[-1].passed)
        return counts, progress

    def _apply(self, counts: Counts, progress: Mapping[str, Progress]) -> None:
        if not progress:
            return
        with self.sums.following(counts):
            self._write(counts, progress)
        self._probe("ledger.applied")
        self._progress |= progress
        self._fill_ballast()

    def _write(self, counts: Counts, progress: Mapping[str, Progress]) -> None:
        try:
            self._ledger.apply(counts, progress)
        except sqlite3.OperationalError:
            if self._ballast is None:
                raise
            self._ballast.unlink(missing_ok=True)
            self._ledger.apply(counts, progress)

    def _bury(self, item: Item) -> None:
        if item.head is None or not item.head.dead:
            return
        if item.body is None:
            _log.error("%d dead letters of %s are lost: their frame cannot be read", item.head.dead, item.head.source)
            return
        place = f"spool-{self._spool.producer}-{item.start.segment}-{item.start.offset}"
        self._dead.write(place, decode_dead(item.head, item.body), time_us=item.head.received_us, source=item.head.source)

    def _fill_ballast(self) -> None:
        if self._ballast is None or self._ballast.exists():
            return
        try:
            self._ballast.write_bytes(bytes(BALLAST_BYTES))
        except OSError:
            with suppress(OSError):
                self._ballast.unlink(missing_ok=True)


def _add(counts: Counts, key: Key, **numbers: int) -> None:
    row = counts.setdefault(key, [0] * 7)
    names = ("came_in", "out", "dropped", "duplicate", "joined", "dead", "lost")
    for name, number in numbers.items():
        row[names.index(name)] += number


def _count_item(counts: Counts, item: Item, sinks: Iterable[str]) -> None:
    if item.head is not None:
        _count_head(counts, item.head, sinks)
        return
    for unit, rows in item.lost.by_unit().items():
        for hop, sink in (("collect", ""), ("spool", "")):
            _add(counts, Key(UNREADABLE, 0, hop, sink, unit), came_in=rows, out=rows)
        for sink in sinks:
            _add(counts, Key(UNREADABLE, 0, "deliver", sink, unit), came_in=rows)


def _count_head(counts: Counts, head: Head, sinks: Iterable[str]) -> None:
    minute = head.received_us - head.received_us % 60_000_000
    for one in head.counts:
        key = Key(head.source, minute, one.hop, "", one.unit)
        ruled = sum(one.dead_by.values())
        _add(counts, key, came_in=one.came_in - sum(one.dropped.values()) - ruled, out=one.went_out, joined=one.joined, dead=one.dead - ruled)
        for rule, dropped in one.dropped.items():
            _add(counts, Key(head.source, minute, one.hop, "", one.unit, rule), came_in=dropped, dropped=dropped)
        for rule, dead in one.dead_by.items():
            _add(counts, Key(head.source, minute, one.hop, "", one.unit, rule), came_in=dead, dead=dead)
    units = keys_of(head)
    for table in head.tables:
        source, minute, unit = units[table.name]
        _add(counts, Key(source, minute, "spool", "", unit), came_in=table.rows + table.duplicates, out=table.rows, duplicate=table.duplicates)
        for sink in sinks if table.rows else ():
            kept_from = table.withheld.get(tier_of(sink) or "", {})
            _add(counts, Key(source, minute, "deliver", sink, unit), came_in=table.rows - sum(kept_from.values()))
            for rule, rows in kept_from.items():
                _add(counts, Key(source, minute, "deliver", sink, unit, rule), came_in=rows, dropped=rows)


def _count_outcomes(counts: Counts, sink: str, outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        for row in outcome.rows:
            key = Key(row.source, row.minute_us, "deliver", sink, row.unit)
            _add(counts, key, out=row.out, duplicate=row.duplicate, dead=row.dead, lost=row.lost)
