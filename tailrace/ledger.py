"""The ledger: what came in, what went on, and where the rest is, hop by hop; SQLite.

One row per source, receipt minute, hop, sink, unit and rule. ``in = out + pending + dropped + duplicate + joined + dead``, and ``lost = 0``; ``pending``, what is
on its way to a sink, is not written down: it is what the other counts leave.

The one writer (``firehose``) applies what the spool's frames and the sinks' cursors say, and notes in the same transaction how far it has read them; so a fact is
counted once, however often the process is killed. Write-ahead log: readers never wait. ``synchronous=FULL``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from tailrace.clock import US_PER_MINUTE
from tailrace.forms import arrow_schema
from tailrace.ids import position_event_id
from tailrace.sqlite_file import ask, open_writer, transact

HOP_NAMES: Final = ("decode", "collect", "spool", "deliver")
COUNTS: Final = ("count_in", "count_out", "dropped", "duplicate", "joined", "dead", "lost")
BEFORE_RULE: Final = "before the sink was switched on"
AFTER_RULE: Final = "after the sink was switched off"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS counts (
  source TEXT NOT NULL, minute_us INTEGER NOT NULL, hop TEXT NOT NULL, sink TEXT NOT NULL, unit TEXT NOT NULL, rule TEXT NOT NULL,
  count_in INTEGER NOT NULL, count_out INTEGER NOT NULL, dropped INTEGER NOT NULL, duplicate INTEGER NOT NULL,
  joined INTEGER NOT NULL, dead INTEGER NOT NULL, lost INTEGER NOT NULL,
  PRIMARY KEY (minute_us, source, hop, sink, unit, rule)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
  name TEXT PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL, number INTEGER NOT NULL,
  events INTEGER NOT NULL, spans INTEGER NOT NULL, metrics INTEGER NOT NULL
) WITHOUT ROWID;
"""

_ADD: Final = ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTS)
_UPSERT: Final = f"INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET {_ADD}"  # noqa: S608 - constants
_SUMS: Final = ", ".join(f"sum({name})" for name in COUNTS)
_REST: Final = "count_in - count_out - dropped - duplicate - joined - dead - lost"


@dataclass(frozen=True, slots=True)
class Hop:
    """The counts of one hop, sink and unit, summed."""

    hop: str
    sink: str
    unit: str
    came_in: int
    went_out: int
    pending: int
    dropped: int
    duplicate: int
    joined: int
    dead: int
    lost: int

    def to_json(self) -> dict[str, Any]:
        """Answer it as ``ledger check --json`` prints it."""
        names = ("pending", "dropped", "duplicate", "joined", "dead", "lost")
        return {"hop": self.hop, "sink": self.sink, "unit": self.unit, "in": self.came_in, "out": self.went_out} | {n: getattr(self, n) for n in names}


@dataclass(frozen=True, slots=True)
class SourceSum:
    """What became of one unit of a source: rows that the spool took, what rules dropped before it, what is dead or lost at whatever hop."""

    rows: int = 0
    dropped: int = 0
    dead: int = 0
    lost: int = 0

    def __add__(self, other: "SourceSum") -> "SourceSum":
        """Answer what became of both."""
        return SourceSum(self.rows + other.rows, self.dropped + other.dropped, self.dead + other.dead, self.lost + other.lost)


SourceSums = dict[tuple[str, str], SourceSum]
"""By source and unit."""


@dataclass(frozen=True, slots=True)
class Check:
    """Whether the ledger adds up; ``problems`` say where it does not."""

    hops: tuple[Hop, ...]
    problems: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        """Whether nothing is unaccounted for."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Answer it as ``ledger check --json`` prints it."""
        return {"balanced": self.balanced, "hops": [hop.to_json() for hop in self.hops]}


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a count is of."""

    source: str
    minute_us: int
    hop: str
    sink: str
    unit: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the writer has read: a place in the spool and the rows before it, or the number of a sink's batch."""

    segment: int = 0
    offset: int = 0
    number: int = 0
    rows: tuple[int, int, int] = (0, 0, 0)


class Ledger:
    """A ledger that is read; other processes may write it at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def hops(self) -> list[Hop]:
        """Sum the counts by hop, sink and unit, in the order of the way."""
        found = self._ask(f"SELECT hop, sink, unit, {_SUMS} FROM counts GROUP BY hop, sink, unit")  # noqa: S608 - constants
        return sorted((_hop(*row) for row in found), key=_place)

    def sources(self) -> SourceSums:
        """Sum the counts by source and unit."""
        found = self._ask(f"SELECT source, hop, unit, {_SUMS} FROM counts GROUP BY source, hop, unit")  # noqa: S608 - constants
        return add_to_sources({}, {Key(source, 0, hop, "", unit): numbers for source, hop, unit, *numbers in found})

    def check(self) -> Check:
        """Check that each hop adds up, and that what left a hop came to the next."""
        hops = tuple(self.hops())
        return Check(hops, (*_within(hops), *_across(hops, {str(name) for (name,) in self._ask("SELECT name FROM progress WHERE name <> 'spool'")})))

    def rows(self, from_us: int = 0, to_us: int = 1 << 62) -> pa.Table:
        """Answer the rows of receipt minutes in [from_us, to_us), in ``arrow_schema("ledger")``."""
        found = self._ask(
            f"SELECT source, minute_us, hop, sink, unit, rule, {', '.join(COUNTS)} FROM counts WHERE minute_us >= ? AND minute_us < ? ORDER BY 2, 1, 3, 4, 5, 6",  # noqa: S608 - constants
            (from_us - from_us % US_PER_MINUTE, to_us),
        )
        return pa.Table.from_pylist([_arrow_row(*row) for row in found], schema=arrow_schema("ledger"))

    def _ask(self, sql: str, parameters: Sequence[int] = ()) -> list[Any]:
        return ask(self._path, "a ledger", sql, parameters)


def open_ledger(path: Path) -> Ledger:
    """Answer the ledger of a file; where there is none, nothing has been counted."""
    return Ledger(path)


def read_hops(path: Path) -> list[Hop]:
    """Answer the counts by hop, sink and unit; none where nothing was ever written."""
    return Ledger(path).hops()


def with_counts(hops: Iterable[Hop], counts: Mapping[Key, Sequence[int]]) -> list[Hop]:
    """Answer sums with counts (in the order of :data:`COUNTS`) added, in the order of the way."""
    found = {(hop.hop, hop.sink, hop.unit): hop for hop in hops}
    for key, numbers in counts.items():
        name, more = (key.hop, key.sink, key.unit), _hop(key.hop, key.sink, key.unit, *numbers)
        before = found.get(name)
        found[name] = more if before is None else Hop(*name, *(getattr(before, one) + getattr(more, one) for one in _NUMBERS))
    return sorted(found.values(), key=_place)


def add_to_sources(sums: SourceSums, counts: Mapping[Key, Sequence[int]]) -> SourceSums:
    """Add counts (in the order of :data:`COUNTS`) to the sums of their sources; answer the sums."""
    for key, numbers in counts.items():
        one, name = _hop(key.hop, key.sink, key.unit, *numbers), (key.source, key.unit)
        rows, dropped = one.went_out if key.hop == "spool" else 0, one.dropped if key.hop != "deliver" else 0
        sums[name] = sums.get(name, SourceSum()) + SourceSum(rows, dropped, one.dead, one.lost)
    return sums


class LedgerWriter:
    """The one writer; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_writer(path, _SCHEMA)

    def progress(self) -> dict[str, Progress]:
        """Answer how far the spool (``spool``) and each sink were read."""
        found = self._connection.execute("SELECT name, segment, offset, number, events, spans, metrics FROM progress")
        return {name: Progress(segment, offset, number, (events, spans, metrics)) for name, segment, offset, number, events, spans, metrics in found}

    def apply(self, counts: Mapping[Key, Sequence[int]], progress: Mapping[str, Progress]) -> None:
        """Add counts (in the order of :data:`COUNTS`) and note the progress, in one transaction."""
        rows = [(k.source, k.minute_us, k.hop, k.sink, k.unit, k.rule, *numbers) for k, numbers in counts.items()]
        transact(self._connection, [(_UPSERT, rows), _noted(progress)])

    def enrol(self, sink: str, start: Progress) -> None:
        """Begin to count a sink at a place in the spool: what was taken before counts as dropped."""
        missed = (
            "INSERT INTO counts SELECT source, minute_us, 'deliver', ?, unit, ?, missing, 0, missing, 0, 0, 0, 0 FROM ("
            "SELECT source, minute_us, unit, sum(CASE WHEN hop = 'spool' THEN count_out ELSE -count_in END) AS missing FROM counts"
            " WHERE hop = 'spool' OR (hop = 'deliver' AND sink = ?) GROUP BY source, minute_us, unit) WHERE missing > 0"
            " ON CONFLICT DO UPDATE SET count_in = count_in + excluded.count_in, dropped = dropped + excluded.dropped"
        )
        transact(self._connection, [(missed, [(sink, BEFORE_RULE, sink)]), _noted({sink: start})])

    def retire(self, sink: str) -> None:
        """Cease to count a sink: what was on its way to it counts as dropped."""
        left = f"SELECT source, minute_us, unit, sum({_REST}) AS rest FROM counts WHERE hop = 'deliver' AND sink = ?1 GROUP BY 1, 2, 3"  # noqa: S608 - constants
        rest = f"({left}) WHERE rest > 0"
        add = "ON CONFLICT DO UPDATE SET count_in = count_in + excluded.count_in, dropped = dropped + excluded.dropped"
        dropped = f"INSERT INTO counts SELECT source, minute_us, 'deliver', ?1, unit, ?2, rest, 0, rest, 0, 0, 0, 0 FROM {rest} {add}"  # noqa: S608 - constants
        moved = f"INSERT INTO counts SELECT source, minute_us, 'deliver', ?1, unit, '', -rest, 0, 0, 0, 0, 0, 0 FROM {rest} {add}"  # noqa: S608 - constants
        transact(self._connection, [(dropped, [(sink, AFTER_RULE)]), (moved, [(sink,)]), ("DELETE FROM progress WHERE name = ?", [(sink,)])])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _noted(progress: Mapping[str, Progress]) -> tuple[str, list[tuple[object, ...]]]:
    return "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?, ?, ?, ?)", [(n, p.segment, p.offset, p.number, *p.rows) for n, p in progress.items()]


def _hop(hop: str, sink: str, unit: str, *numbers: int) -> Hop:  # the order of COUNTS
    came_in, went_out, dropped, duplicate, joined, dead, lost = numbers
    rest = came_in - went_out - dropped - duplicate - joined - dead - lost
    pending = rest if hop == "deliver" else 0
    return Hop(hop, sink, unit, came_in, went_out, pending, dropped, duplicate, joined, dead, lost + rest - pending)


_NUMBERS: Final = tuple(field.name for field in fields(Hop) if field.name not in {"hop", "sink", "unit"})


def _place(hop: Hop) -> tuple[int, str, str]:
    return HOP_NAMES.index(hop.hop), hop.sink, hop.unit


def _within(hops: Iterable[Hop]) -> list[str]:
    wrong = [(hop, f"{hop.lost:,} {hop.unit} lost") for hop in hops if hop.lost]
    wrong += [(hop, f"{-hop.pending:,} {hop.unit} more went out than came in") for hop in hops if hop.pending < 0]
    return [f"{' '.join(filter(None, (hop.hop, hop.sink)))}: {what}" for hop, what in wrong]


def _across(hops: Iterable[Hop], sinks: set[str]) -> list[str]:
    by_name = {(hop.hop, hop.sink, hop.unit): hop for hop in hops}
    units = {hop.unit for hop in hops if hop.hop == "spool"}
    pairs = [(("collect", "", unit), ("spool", "", unit)) for unit in units] + [(("spool", "", u), ("deliver", sink, u)) for u in units for sink in sinks]
    problems = []
    for before, after in sorted(pairs):
        sent, got = _out(by_name.get(before)), _in(by_name.get(after))
        if sent != got:
            problems.append(f"{sent:,} {before[2]} left {before[0]}, {got:,} came to {' '.join(filter(None, after[:2]))}")
    return problems


def _out(hop: Hop | None) -> int:
    return hop.went_out if hop else 0


def _in(hop: Hop | None) -> int:
    return hop.came_in if hop else 0


def _arrow_row(source: str, minute_us: int, hop: str, sink: str, unit: str, rule: str, *numbers: int) -> dict[str, Any]:
    total = _hop(hop, sink, unit, *numbers)
    return {
        "event_id": position_event_id(source, minute_us, hop, sink, unit, rule),
        "revision": 0,
        "event_time": minute_us,
        "observed_time": minute_us,
        "log_source": source,
        "hop": hop,
        "sink": sink,
        "unit": unit,
        "rule": rule,
        "count_in": total.came_in,
        "count_out": total.went_out,
        "pending": total.pending,
        "dropped": total.dropped,
        "duplicate": total.duplicate,
        "joined": total.joined,
        "dead": total.dead,
        "lost": total.lost,
    }
