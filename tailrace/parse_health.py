"""Parse health: how each format reads the lines of each source, what the lines look like that it cannot read, and which fields are new; SQLite, beside the ledger.

Bounded: of counts the last :data:`DAYS` days, of shapes the :data:`MAX_SHAPES` that were seen last, of fields :data:`MAX_FIELDS` a format. What was noted within the last second may be lost by a
kill: the lines themselves are not, each says in ``parse_status`` and ``parse_error`` how it was read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tailrace.clock import US_PER_DAY, iso_ms
from tailrace.sqlite_file import ask, open_writer, transact

DAYS: Final = 90
MAX_SHAPES: Final = 1_000
MAX_FIELDS: Final = 500
EXAMPLE_CHARS: Final = 500
SHAPE_CHARS: Final = 200
STATUSES: Final = ("parsed", "partial", "failed")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS counts (
  format TEXT NOT NULL, source TEXT NOT NULL, day INTEGER NOT NULL, parsed INTEGER NOT NULL, partial INTEGER NOT NULL, failed INTEGER NOT NULL,
  PRIMARY KEY (day, format, source)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shapes (
  format TEXT NOT NULL, source TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, shape TEXT NOT NULL,
  count INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, example TEXT NOT NULL,
  PRIMARY KEY (format, source, status, reason, shape)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fields (
  format TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, first_us INTEGER NOT NULL,
  PRIMARY KEY (format, name)
) WITHOUT ROWID;
"""
_COUNT: Final = (
    "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET parsed = parsed + excluded.parsed, partial = partial + excluded.partial,"
    " failed = failed + excluded.failed"
)
_SHAPE: Final = (
    "INSERT INTO shapes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count, first_us = min(first_us, excluded.first_us),"
    " last_us = max(last_us, excluded.last_us)"
)

_COUNTS: Final = (
    "SELECT format, source, sum(parsed), sum(partial), sum(failed) FROM counts WHERE :name IN ('', format) GROUP BY 1, 2 ORDER BY 5 DESC, 4 DESC, 1, 2"
)
_SHAPES: Final = "SELECT format, source, status, reason, shape, count, first_us, last_us, example FROM shapes WHERE :name IN ('', format) ORDER BY first_us DESC LIMIT :limit"
_FIELDS: Final = (
    "WITH days AS (SELECT format AS read, min(first_us) / 86400000000 AS day FROM fields GROUP BY 1) SELECT format, name, source, first_us, first_us / 86400000000 > day"
    " FROM fields JOIN days ON read = format WHERE :name IN ('', format) ORDER BY first_us DESC, 1, 2 LIMIT :limit"
)

Reading = tuple[str, str, int]
"""Format, source, day since 1970."""


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """Lines that look alike and fail alike: the line with runs of letters and digits folded, and the reason, which names the column where reading stopped."""

    format: str
    source: str
    status: str
    reason: str
    shape: str


@dataclass(slots=True)
class Seen:
    """How often a shape was seen, when first and last, and a line of it."""

    count: int
    first_us: int
    last_us: int
    example: str


@dataclass(slots=True)
class Noted:
    """What was noted and is not written yet; ``fields`` are names by format, with source and time."""

    counts: dict[Reading, list[int]] = field(default_factory=dict)
    shapes: dict[Shape, Seen] = field(default_factory=dict)
    fields: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.counts or self.shapes or self.fields)


class HealthWriter:
    """The one writer; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = open_writer(path, _SCHEMA)

    def fields(self) -> dict[str, set[str]]:
        """Answer the fields that are known, by format."""
        found: dict[str, set[str]] = {}
        for one, name in self._connection.execute("SELECT format, name FROM fields"):
            found.setdefault(one, set()).add(name)
        return found

    def write(self, noted: Noted, now_us: int) -> None:
        """Add what was noted, in one transaction, and forget what is old or too much."""
        shapes = [(s.format, s.source, s.status, s.reason, s.shape, one.count, one.first_us, one.last_us, one.example) for s, one in noted.shapes.items()]
        steps: list[tuple[str, Sequence[Sequence[object]]]] = [
            (_COUNT, [(*key, *numbers) for key, numbers in noted.counts.items()]),
            (_SHAPE, shapes),
            ("INSERT OR IGNORE INTO fields VALUES (?, ?, ?, ?)", [(one, name, source, at) for (one, name), (source, at) in noted.fields.items()]),
            ("DELETE FROM counts WHERE day < ?", [(now_us // US_PER_DAY - DAYS,)]),
        ]
        if shapes:
            oldest = "SELECT last_us FROM shapes ORDER BY last_us DESC LIMIT 1 OFFSET ?"
            steps.append((f"DELETE FROM shapes WHERE last_us <= coalesce(({oldest}), -1)", [(MAX_SHAPES,)]))  # noqa: S608 - a constant
        transact(self._connection, steps)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def read_health(path: Path, *, name: str = "", limit: int = 100) -> dict[str, Any]:
    """Answer the health of all formats, or of one: counts by format and source, shapes (the newest first), and fields (the newest first).

    A field is ``new`` where its format had been read on an earlier day without it.
    """
    counts, shapes, fields = (ask(path, "the health of formats", sql, {"name": name, "limit": limit}) for sql in (_COUNTS, _SHAPES, _FIELDS))
    return {
        "formats": [dict(zip(("format", "source", *STATUSES), row, strict=True)) for row in counts],
        "shapes": [_shape_row(*row) for row in shapes],
        "fields": [{"format": one, "field": own, "source": source, "first_seen": iso_ms(at), "new": bool(new)} for one, own, source, at, new in fields],
    }


def _shape_row(*row: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a row of the table
    names = ("format", "source", "status", "reason", "shape", "count", "first_seen", "last_seen", "example")
    values = dict(zip(names, row, strict=True))
    return values | {name: iso_ms(values[name]) for name in ("first_seen", "last_seen")}
