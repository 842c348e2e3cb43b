"""Verifying the lake: every part that counts is read whole, row group by row group, and held against what the layout promises.

Promises: it opens and all its pages can be read (their checksums are compared where the part has them: all that Tailrace writes do); its rows lie in the hour of its
partition (``firehose.parts``: absurd times in the first or the last there is), in order of event time, with an id and a revision; no (event_id, revision) is twice in
parts that were merged; and the state names no part that is not there. Between fresh parts an event may be twice until they are merged: that is told, and no fault.

Nothing is written. Memory: one row group, and 8 bytes a row for at most :data:`ROWS_AT_ONCE` rows of a partition; a larger one is read several times. Bloom filters are
not looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from firehose.columns import compute, ints, one_array
from firehose.frame import UNITS
from firehose.keeper.account import Hops, differences
from firehose.keeper.merge import View, source, steady_view
from firehose.parts import event_times
from firehose.recent_ids import row_hashes
from tailrace.clock import US_PER_HOUR
from tailrace.errors import StateError
from tailrace.lake import FIRST_HOUR_US, LAST_HOUR_US, Part, Partition, all_partitions, start_of
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore
from tailrace.text_hashes import Hashes

ROWS_AT_ONCE: Final = 4_000_000
ATTEMPTS: Final = 5
SHOWN: Final = 3
"""Events that are named where many are twice."""

_IDENTITY: Final = ["event_id", "revision"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, or worth telling, and where: a part, a partition, or a table."""

    where: str
    what: str


@dataclass(slots=True)
class Verified:
    """What was looked at, what is wrong, and what is told though it is no fault."""

    parts: int = 0
    rows: int = 0
    problems: list[Finding] = field(default_factory=list)
    told: list[Finding] = field(default_factory=list)

    def add(self, other: "Verified") -> None:
        """Add what was found elsewhere."""
        self.parts, self.rows = self.parts + other.parts, self.rows + other.rows
        self.problems += other.problems
        self.told += other.told


class _PartGoneError(Exception):
    """A part that was listed is no longer there."""


def verify(store: ObjectStore, hops: Hops | None = None, *, rows_at_once: int = ROWS_AT_ONCE, done: Callable[[int], None] = lambda _: None) -> Verified:
    """Verify all partitions; ``hops`` asks the ledger (``None``: it is not asked). ``done`` is told how many parts were read."""
    total = Verified()
    for table in UNITS:
        for partition in all_partitions(store, table):
            found = _partition(store, table, partition, rows_at_once)
            total.add(found)
            done(found.parts)
    if hops is not None:
        total.problems += _counted(store, hops)
    return total


def _counted(store: ObjectStore, hops: Hops) -> list[Finding]:
    try:
        return [Finding(one.table, str(one)) for one in differences(store, hops)]
    except (pa.ArrowException, StateError, OSError) as error:
        return [Finding("ledger", f"the rows cannot be counted: {_said(error)}")]


def _partition(store: ObjectStore, table: TableName, partition: Partition, rows_at_once: int) -> Verified:
    """Verify one partition; again where parts were merged and deleted while they were read."""
    place = f"{table}/{partition.path}"
    for _ in range(ATTEMPTS):
        try:
            seen = steady_view(store, table, partition)
            return _seen(store, seen, place, rows_at_once)
        except _PartGoneError:
            continue
        except StateError as error:
            return Verified(problems=[Finding(place, str(error))])
    return Verified(problems=[Finding(place, "parts are replaced faster than they can be read: try again")])


def _seen(store: ObjectStore, seen: View, place: str, rows_at_once: int) -> Verified:
    there = {part.name for part in seen.parts}
    found = Verified()
    found.problems += [Finding(f"{place}/{name}", "counts, and is not there") for name, live in seen.state.counts.items() if live and name not in there]
    readable = list[Part]()
    for part in seen.live:
        found.parts += 1
        wrong = list[str]()
        rows = _read(store, seen, part, wrong)
        found.problems += [Finding(part.key, what) for what in wrong]
        if rows is not None:
            found.rows += rows
            readable.append(part)
    _doubles(store, seen, readable, found, rows_at_once)
    return found


def _read(store: ObjectStore, seen: View, part: Part, wrong: list[str]) -> int | None:
    """Read a part whole; answer its rows, or ``None`` where it cannot be read."""
    try:
        file = _opened(store, seen, part)
        if missing := [name for name in (*_IDENTITY, "event_time") if name not in file.schema_arrow.names]:
            wrong.append(f"has no column {missing[0]}")
            return None
        last = np.iinfo(np.int64).min
        for group in range(file.num_row_groups):
            last = _judge(file.read_row_group(group), part.partition, last, wrong)
    except (pa.ArrowException, OSError, ValueError) as error:
        wrong.append(f"cannot be read: {_said(error)}")
        return None
    return int(file.metadata.num_rows)


def _opened(store: ObjectStore, seen: View, part: Part) -> pq.ParquetFile:
    """Open a part; raises :class:`_PartGoneError` where it was replaced and deleted since."""
    try:
        return pq.ParquetFile(source(store, part), page_checksum_verification=True)
    except (FileNotFoundError, StateError) as error:
        if any(other.name == part.name for other in steady_view(store, seen.table, seen.partition).live):
            raise OSError("it was listed, and is not there") from error
        raise _PartGoneError from error


def _judge(rows: pa.Table, partition: Partition, last: int, wrong: list[str]) -> int:
    """Judge one row group; answer its last event time."""
    wrong += [f"{count:,} rows have no {column}" for column in _IDENTITY if (count := rows.column(column).null_count)]
    times = event_times(rows) if "observed_time" in rows.column_names else ints(rows, "event_time")
    if not len(times):
        return last
    if times[0] < last or np.any(np.diff(times) < 0):
        wrong.append("rows are not in order of event time")
    hours = np.clip(times, FIRST_HOUR_US, LAST_HOUR_US) // US_PER_HOUR
    if count := int(np.count_nonzero(hours != start_of(partition) // US_PER_HOUR)):
        wrong.append(f"{count:,} rows are of another hour")
    return int(times[-1])


def _doubles(store: ObjectStore, seen: View, parts: Sequence[Part], found: Verified, rows_at_once: int) -> None:
    """Find (event_id, revision) that are twice: in merged parts a problem, else told."""
    slices = max(1, -(-found.rows // rows_at_once))
    for number in range(slices):
        merged = _twice(store, seen, [part for part in parts if part.is_merged], number, slices)
        anywhere = _twice(store, seen, parts, number, slices) if any(not part.is_merged for part in parts) else np.empty(0, np.uint64)
        if len(merged):
            found.problems.append(Finding(*_named(store, seen, [part for part in parts if part.is_merged], merged, "twice in merged parts")))
        if count := len(np.setdiff1d(anywhere, merged)):
            found.told.append(Finding(f"{seen.table}/{seen.partition.path}", f"{count:,} events are there twice until fresh parts are merged"))


def _hashes(store: ObjectStore, seen: View, part: Part) -> Iterator[tuple[Any, Hashes]]:
    """Walk the event ids of a part with the hashes of (event_id, revision), row group by row group."""
    file = _opened(store, seen, part)
    for group in range(file.num_row_groups):
        rows = file.read_row_group(group, columns=_IDENTITY)
        ids = rows.set_column(0, "event_id", compute.fill_null(rows.column("event_id"), ""))
        if rows.num_rows:
            yield one_array(ids, "event_id"), row_hashes({seen.table: ids.set_column(1, "revision", pa.array(ints(ids, "revision")))})[seen.table]


def _twice(store: ObjectStore, seen: View, parts: Sequence[Part], number: int, slices: int) -> Hashes:
    own = [hashes[hashes % np.uint64(slices) == number] for part in parts for _, hashes in _hashes(store, seen, part)]
    together = np.sort(np.concatenate([np.empty(0, np.uint64), *own]))
    return np.unique(together[1:][together[1:] == together[:-1]])


def _named(store: ObjectStore, seen: View, parts: Sequence[Part], hashes: Hashes, what: str) -> tuple[str, str]:
    """Name some of the events, and the parts in which they are."""
    wanted, names, where = hashes[:SHOWN], dict[str, None](), list[str]()
    for part in parts:
        hits = [str(ids[int(row)]) for ids, own in _hashes(store, seen, part) for row in np.flatnonzero(np.isin(own, wanted))]
        names |= dict.fromkeys(hits)
        where += [part.name] if hits else []
    more = f" and {len(hashes) - SHOWN:,} more" if len(hashes) > SHOWN else ""
    return f"{seen.table}/{seen.partition.path}", f"{', '.join(names)}{more}: {what} ({', '.join(where)})"


def _said(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
