"""What rows tell of their formats, in columns: how many were read in full, in part and not at all, what those look like that were not, and which fields came for the first time.

Of a batch in which every line was read nothing is looked at but the column that says so. Lines are looked at after redaction.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, one_array
from tailrace.clock import US_PER_DAY, Clock
from tailrace.parse_health import EXAMPLE_CHARS, MAX_FIELDS, SHAPE_CHARS, STATUSES, HealthWriter, Noted, Seen, Shape

WRITE_AFTER_S: Final = 1.0
MAX_NOTED: Final = 2_000
"""Shapes that wait to be written; what is beyond within a second is counted and not shown."""

FOLDS: Final = ((r"[0-9]+", "0"), (r"\p{L}+", "a"), (r"\ba(?:[ \t]+a)+\b", "a a"), (r"\s+", " "))
"""What makes lines alike: runs of digits, of letters, of words and of white space."""

_log = logging.getLogger(__name__)


def shapes_of(lines: AnyArray) -> AnyArray:
    """Fold lines to what they look like."""
    shapes = pc.utf8_slice_codeunits(lines, 0, EXAMPLE_CHARS)
    for pattern, folded in FOLDS:
        shapes = pc.replace_substring_regex(shapes, pattern, folded)
    return pc.utf8_slice_codeunits(shapes, 0, SHAPE_CHARS)


class Health:
    """Gathers what batches tell and writes it within a second; shared by threads."""

    def __init__(self, writer: HealthWriter, clock: Clock) -> None:
        self._writer, self._clock = writer, clock
        self._known = writer.fields()
        self._noted, self._lock, self._writing = Noted(), threading.Lock(), threading.Lock()
        self._timer: threading.Timer | None = None

    def note(self, source: str, tables: Iterable[pa.Table], seen: Iterable[Mapping[str, frozenset[str]]]) -> None:
        """Note what rows of a source tell, after they were put; ``seen`` are the names of attributes by format."""
        with self._lock:
            for names in seen:
                self._note_fields(source, names)
            for table in tables:
                self._note_rows(source, table)
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

    def _note_rows(self, source: str, table: pa.Table) -> None:
        day = self._clock.now_us() // US_PER_DAY
        for one, status, count in _grouped(table):
            if status in STATUSES:
                self._noted.counts.setdefault((one, source, day), [0, 0, 0])[STATUSES.index(status)] += count
        bad = pc.fill_null(pc.not_equal(table["parse_status"], "parsed"), False)
        if pc.any(bad, min_count=0).as_py():
            self._note_shapes(source, table.filter(bad))

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


def _grouped(table: pa.Table) -> list[tuple[str, str, int]]:
    """Count rows by format and status; most tables have one of each, which two looks at columns show."""
    formats, statuses = (pc.unique(table[name]).to_pylist() for name in ("log_format", "parse_status"))
    if len(formats) == len(statuses) == 1:
        return [(formats[0] or "", statuses[0] or "", table.num_rows)]
    grouped = table.group_by(["log_format", "parse_status"], use_threads=False).aggregate([([], "count_all")])
    return [(row["log_format"] or "", row["parse_status"] or "", row["count_all"]) for row in grouped.to_pylist()]
