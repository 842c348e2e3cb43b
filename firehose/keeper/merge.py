"""Merging the parts of one partition.

What is merged is read, sorted by event time, freed of duplicates (of each ``event_id`` the highest revision stays) and PUT under a name that follows from the names of what
went in. One conditional PUT of the partition's state is the commit: before it the old parts count, after it the new one does. Parts that no longer count are
deleted when a grace period has passed that is longer than the longest query. A crash between any two steps leaves a part that does not count, and nothing else.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from firehose.columns import compute, ints, one_array, take
from firehose.disk import Probe, no_probe
from firehose.keeper.settled import IsSettled
from firehose.parts import event_times, rows_in, write_part
from tailrace.errors import StateError
from tailrace.forms import arrow_schema
from tailrace.lake import PART_SUFFIX, Part, Partition, PartitionState, list_parts, part_key, read_state, state_key
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore
from tailrace.token_filter import filter_key, text_column

MANY_FRESH: Final = 16
"""A partition with more fresh parts than this is merged at once."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of Parquet that one merge reads."""

MAX_MEMORY_BYTES: Final = 32 * 1024 * 1024
"""Bytes of columns in memory that one merge reads. Sorting, taking and writing need several times as much: with 160 MiB the process had 1 GB under load, with 32 it stays below 512 MB."""

GROWTH: Final = 2
"""A merged part is merged again when it is at most so many times as large as what joins it: each row is rewritten a logarithmic number of times."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: parts that went in, rows that went in and came out."""

    parts: int = 0
    rows_in: int = 0
    rows_out: int = 0

    def __add__(self, other: "Merged") -> "Merged":
        """Answer what both did."""
        return Merged(self.parts + other.parts, self.rows_in + other.rows_in, self.rows_out + other.rows_out)


@dataclass(frozen=True, slots=True)
class View:
    """One partition as it was found: its parts, its state, and the state's tag."""

    table: TableName
    partition: Partition
    parts: tuple[Part, ...]
    state: PartitionState
    tag: str | None

    @property
    def live(self) -> list[Part]:
        """The parts that count."""
        return [part for part in self.parts if self.state.is_live(part.name)]

    @property
    def fresh(self) -> list[Part]:
        """The parts that count and were not merged yet."""
        return [part for part in self.live if not part.is_merged]

    @property
    def idle(self) -> list[Part]:
        """The parts that do not count."""
        return [part for part in self.parts if not self.state.is_live(part.name)]


def view(store: ObjectStore, table: TableName, partition: Partition) -> View:
    """Look at a partition."""
    state, tag = read_state(store, table, partition)
    return View(table, partition, tuple(list_parts(store, table, partition)), state, tag)


def steady_view(store: ObjectStore, table: TableName, partition: Partition) -> View:
    """Look at a partition so that parts and state are of one moment; for those that read and do not commit."""
    before = view(store, table, partition)
    while (after := view(store, table, partition)).tag != before.tag:
        before = after
    return after


def merged_name(seen: View, told: str) -> str:
    """Name a part that shall count from the next commit on; ``told`` is what it is made of.

    Doing it again after a crash makes the same name. After any other commit it is another: a name that ceased to count never counts again.
    """
    digest = hashlib.blake2b(f"{seen.state.commits}\n{told}".encode(), digest_size=12)
    return f"m-{digest.hexdigest()}{PART_SUFFIX}"


def commit(store: ObjectStore, seen: View, state: PartitionState) -> bool:
    """Put the next state of a partition; answer whether nobody else put one since it was looked at."""
    return store.put_if(state_key(seen.table, seen.partition), state.encode(), seen.tag)


def merge(store: ObjectStore, seen: View, is_settled: IsSettled, probe: Probe = no_probe) -> Merged:
    """Merge the fresh parts of a partition that are settled, with those merged ones that are small beside them or hold the same events.

    One part alone is left as it is.
    """
    fresh = _within(MAX_BYTES, [part for part in seen.fresh if is_settled(part.name) != "no"])
    merged_before = sorted((part for part in seen.live if part.is_merged), key=lambda part: part.size)
    if not fresh or len(fresh) + len(merged_before) == 1:
        return Merged()
    chosen, rows = _read_while_small(store, _grown(fresh, merged_before))
    ids = compute.unique(one_array(rows, "event_id"))
    same = [part for part in merged_before if part not in chosen and _holds(store, part, ids)]
    if same:
        chosen, rows = [*chosen, *same], pa.concat_tables([rows, *(read_part(store, part) for part in same)])
    came_in, kept = rows.num_rows, newest(rows)
    del rows  # or it is in memory while the part is written
    removed = came_in - kept.num_rows + sum(rows_in(source(store, part))[1] for part in chosen if part.is_merged)
    name = merged_name(seen, "\n".join(sorted(part.name for part in chosen)))
    store.put(part_key(seen.table, seen.partition, name), write_part(kept, removed).to_pybytes())
    probe("keeper.part_put")
    state = seen.state.replaced([part.name for part in chosen], [name])
    if not commit(store, seen, state):
        return Merged()
    probe("keeper.committed")
    return Merged(len(chosen), came_in, kept.num_rows)


def newest(rows: pa.Table) -> pa.Table:
    """Sort rows by event time, and keep of each event id the highest revision, once."""
    times, revisions = event_times(rows), ints(rows, "revision")
    codes = one_array(rows, "event_id").dictionary_encode().indices.to_numpy()
    order = np.lexsort((times, -revisions, codes))
    first = np.ones(len(order), np.bool_)
    first[1:] = codes[order][1:] != codes[order][:-1]
    kept = order[first]
    return take(rows, kept[np.argsort(times[kept], kind="stable")])


def delete(store: ObjectStore, seen: View, parts: Iterable[Part], is_settled: IsSettled, probe: Probe = no_probe) -> int:
    """Delete parts that do not count, and let the state forget those that were deleted in an earlier round; answer how many.

    What no state names may be what another keeper is about to commit: the state says first that it does not count, so that the other one loses.
    """
    gone = list(parts)
    strays = [part.name for part in gone if part.name not in seen.state.counts]
    if strays and not commit(store, seen, seen.state.replaced(strays, [])):
        return 0
    for part in gone:
        if part.is_merged and text_column(part.table):
            store.delete(filter_key(part))
        store.delete(part.key)
        probe("keeper.deleted")
    there = {part.name for part in seen.parts}
    forgotten = [name for name, counts in seen.state.counts.items() if not counts and name not in there and is_settled(name) == "yes"]
    if forgotten and not strays:
        commit(store, seen, seen.state.forgotten(forgotten))
    return len(gone)


def _within(max_bytes: int, parts: Sequence[Part]) -> list[Part]:
    """Take parts while they fit; the first one always."""
    ends = np.cumsum([part.size for part in parts])
    return [part for part, end in zip(parts, ends, strict=True) if end <= max_bytes] or list(parts[:1])


def _grown(fresh: list[Part], merged: Iterable[Part]) -> list[Part]:
    chosen, size = list(fresh), sum(part.size for part in fresh)
    for part in merged:
        if part.size > GROWTH * size or size + part.size > MAX_BYTES:
            break
        chosen.append(part)
        size += part.size
    return chosen


def _holds(store: ObjectStore, part: Part, ids: Any) -> bool:  # noqa: ANN401 - an Arrow array of strings
    found = pq.ParquetFile(source(store, part)).read(["event_id"], use_threads=False).column("event_id")
    return bool(compute.any(compute.is_in(found, value_set=ids)).as_py())


def _read_while_small(store: ObjectStore, parts: Sequence[Part]) -> tuple[list[Part], pa.Table]:
    """Read parts while they fit into memory, the first one always; a part is taken to be packed as those before it are."""
    tables, size = [read_part(store, parts[0])], parts[0].size
    for part in parts[1:]:
        if sum(table.nbytes for table in tables) * (size + part.size) > MAX_MEMORY_BYTES * size:
            break
        tables.append(read_part(store, part))
        size += part.size
    return list(parts[: len(tables)]), pa.concat_tables(tables)


def read_part(store: ObjectStore, part: Part) -> pa.Table:
    """Read a part in today's schema: columns that it does not have are null."""
    found = pq.ParquetFile(source(store, part)).read(use_threads=False)
    schema = arrow_schema(part.table)
    columns = [found.column(f.name).cast(f.type) if f.name in found.column_names else pa.nulls(found.num_rows, f.type) for f in schema]
    return pa.table(columns, schema=schema)


def source(store: ObjectStore, part: Part) -> Path | pa.BufferReader:
    """Answer what a part is read from."""
    path = store.local_path(part.key)
    if path is not None:
        return path
    data = store.get(part.key)
    if data is None:
        raise StateError(f"{part.key} counts, and is not there")
    return pa.BufferReader(data)
