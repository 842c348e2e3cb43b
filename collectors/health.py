"""What rows tell of their formats, in columns: how many were read in full, in part and not at all, what those look like that were not, and which fields came for the first time.

Of a batch in which every line was read no row is looked at: the parsers tell how they read lines anyway. Rows are looked at after redaction.
"""

import logging
import sqlite3
import threading
from collections.abc import Mapping
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, one_array
from tailrace.clock import US_PER_DAY, Clock
from tailrace.parse_health import EXAMPLE_CHARS, MAX_FIELDS, SHAPE_CHARS, HealthWriter, Noted, Seen, Shape

WRITE_AFTER_S: Final = 1.0
MAX_NOTED: Final = 2_000
"""Shapes that wait to be written; what is beyond within a second is counted and not shown."""

FOLDS: Final = (
    (r"\p{L}*[0-9][\p{L}0-9]*", "0"),
    (r"\p{L}+", "a"),
    (r"\b[0a](?:[-:.][0a])+\b", "0"),
    (r"\b[0a](?:[ \t]+[0a])+\b", "a a"),
    (r"\s+", " "),
)
"""What makes lines alike: words with a digit in them and without one; ids, times, addresses and names of several such parts; runs of words and of white space."""

_log = logging.getLogger(__name__)


def shapes_of(lines: AnyArray) -> AnyArray:
    """Fold lines to what they look like."""
    shapes = pc.utf8_slice_codeunits(lines, 0, EXAMPLE_CHARS)
    for pattern, folded in FOLDS:
        shapes = pc.replace_substring_regex(shapes, pattern, folded)
    return pc.utf8_slice_codeunits(shapes, 0, SHAPE_CHARS)


class Reads(Protocol):
    """How many lines of a format could be read in full, in part, and not at all."""

    @property
    def parsed(self) -> int:
        """In full."""
        ...

    @property
    def partial(self) -> int:
        """In part."""
        ...

    @property
    def failed(self) -> int:
        """Not at all."""
        ...


class Told(Protocol):
    """What is asked of a batch: its rows, how its lines were read, and which attributes they have, by format."""

    @property
    def logs(self) -> pa.Table:
        """Rows of ``logs``."""
        ...

    @property
    def tally(self) -> Mapping[str, Reads]:
        """How lines were read, by format."""
        ...

    @property
    def seen(self) -> Mapping[str, frozenset[str]]:
        """Names of attributes by format."""
        ...


class Health:
    """Gathers what batches tell and writes it within a second; shared by threads."""

    def __init__(self, writer: HealthWriter, clock: Clock) -> None:
        self._writer, self._clock = writer, clock
        self._known = writer.fields()
        self._noted, self._lock, self._writing = Noted(), threading.Lock(), threading.Lock()
        self._timer: threading.Timer | None = None

    def note(self, source: str, batch: Told) -> None:
        """Note what a batch of a source tells, after it was put."""
        with self._lock:
            self._note_fields(source, batch.seen)
            day = self._clock.now_us() // US_PER_DAY
            for one, reads in batch.tally.items():
                counts = self._noted.counts.setdefault((one, source, day), [0, 0, 0])
                counts[:] = [counts[0] + reads.parsed, counts[1] + reads.partial, counts[2] + reads.failed]
            if any(reads.partial or reads.failed for reads in batch.tally.values()):
                self._note_shapes(source, batch.logs.filter(pc.fill_null(pc.not_equal(batch.logs["parse_status"], "parsed"), False)))
            if self._noted and self._timer is None:
                self._timer = threading.Timer(WRITE_AFTER_S, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what was noted."""
        with self._writing:
            with self._lock:
                noted, self._noted, timer, self._timer = self._noted, Noted(), self._timer, None
            if timer is not None:
                timer.cancel()
            try:
                if noted:
                    self._writer.write(noted, self._clock.now_us())
            except sqlite3.Error as error:
                _log.warning("the health of formats cannot be written: %s", error)

    def close(self) -> None:
        """Write what was noted, and close the file."""
        self.flush()
        self._writer.close()

    def _note_fields(self, source: str, seen: Mapping[str, frozenset[str]]) -> None:
        for one, names in seen.items():
            known = self._known.setdefault(one, set())
            for name in sorted(names - known)[: max(MAX_FIELDS - len(known), 0)] if not names <= known else ():
                known.add(name)
                self._noted.fields[one, name[:EXAMPLE_CHARS]] = (source, self._clock.now_us())

    def _note_shapes(self, source: str, rows: pa.Table) -> None:
        lines = pc.coalesce(one_array(rows["raw"]), one_array(rows["message"]))
        told = pa.table(
            {
                "format": rows["log_format"],
                "status": rows["parse_status"],
                "reason": pc.fill_null(pc.utf8_slice_codeunits(rows["parse_error"], 0, SHAPE_CHARS), ""),
                "shape": shapes_of(lines),
                "example": pc.utf8_slice_codeunits(lines, 0, EXAMPLE_CHARS),
            }
        )
        now_us = self._clock.now_us()
        grouped = told.group_by(["format", "status", "reason", "shape"], use_threads=False).aggregate([("example", "first"), ([], "count_all")])
        for row in grouped.to_pylist():
            shape = Shape(row["format"] or "", source, row["status"], row["reason"], row["shape"])
            seen = self._noted.shapes.get(shape)
            if seen is not None:
                seen.count, seen.last_us = seen.count + row["count_all"], now_us
            elif len(self._noted.shapes) < MAX_NOTED:
                self._noted.shapes[shape] = Seen(row["count_all"], now_us, now_us, row["example_first"] or "")
