"""The layout of the lake: where the rows of a table lie, and which parts of them count.

::

    logs/day=2026-11-24/hour=10/f-<producer>-<segment>-<first>-<last>.parquet     a fresh part: counts unless the state says it no longer does
    logs/day=2026-11-24/hour=10/m-<name>.parquet                                  a merged part: counts only when the state says so
    logs/day=2026-11-24/hour=10/_<anything>                                       a part that is being written (Hive readers skip it)
    logs_state/day=2026-11-24/hour=10/state.json                                  which parts count: one (conditional) PUT of it is a commit
    logs_tokens/...                                                               token filters

Partitions are hours of the event time, UTC. A state object is lines of JSON, ``{"part": "m-1.parquet", "counts": true}``, so that Trino and Athena read it
as a table: ``logs`` is a view, ``logs_parts`` left joined to ``logs_state`` (``tailrace.forms.view_ddl``). DuckDB gets the list of the live files from here.

Two kinds of lines name no part, and no join finds them: ``{"part": "=commits", "counts": false, "rows": 7}`` makes every state different from all that were before
it, so that a conditional PUT never takes an old state for the present one; ``{"part": "=expired debug", "counts": false, "rows": 120}`` says how many rows left the
partition for good, and why, by the very commit that took them away.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

import msgspec

from tailrace.clock import US_PER_HOUR, from_datetime, to_datetime
from tailrace.errors import StateError
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore

STATE_NAME: Final = "state.json"
PART_SUFFIX: Final = ".parquet"


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One hour of event time: ``day`` is ``YYYY-MM-DD``, ``hour`` is ``HH``."""

    day: str
    hour: str

    @property
    def path(self) -> str:
        """Its path below a table's prefix."""
        return f"day={self.day}/hour={self.hour}"


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of a table; ``key`` is its name in the store, ``size`` its bytes."""

    table: TableName
    partition: Partition
    key: str
    size: int

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(self.key).name

    @property
    def is_merged(self) -> bool:
        """Whether it came from a merge."""
        return self.name.startswith("m-")


_COMMITS: Final = "=commits"

EXPIRED: Final = "expired "
ERASED: Final = "erased "
REMOVED: Final = "removed"
"""Why rows left: by a rule of retention (its name follows), because somebody asked for it (a hash follows), or as duplicates and lower revisions of a part that left whole."""


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    part: str
    counts: bool
    rows: int = 0


@dataclass(frozen=True, slots=True)
class PartitionState:
    """Which parts of a partition count; parts that are not named follow their letter: fresh yes, merged no.

    ``gone`` is how many rows left the partition for good, by reason; ``commits`` is how many states there were before.
    """

    counts: Mapping[str, bool] = field(default_factory=dict)
    gone: Mapping[str, int] = field(default_factory=dict)
    commits: int = 0

    def is_live(self, part_name: str) -> bool:
        """Whether the rows of a part are rows of the table."""
        return self.counts.get(part_name, part_name.startswith("f-"))

    def replaced(self, old: Iterable[str], new: Iterable[str], gone: Mapping[str, int] = MappingProxyType({})) -> "PartitionState":
        """Answer the state in which ``new`` counts and ``old`` does not, and so many more rows are gone."""
        sums = {reason: self.gone.get(reason, 0) + gone.get(reason, 0) for reason in {*self.gone, *gone}}
        return PartitionState({**self.counts, **dict.fromkeys(old, False), **dict.fromkeys(new, True)}, sums, self.commits + 1)

    def forgotten(self, deleted: Iterable[str]) -> "PartitionState":
        """Answer the state without the names of parts that are no longer there."""
        names = set(deleted)
        return PartitionState({name: live for name, live in self.counts.items() if name not in names}, self.gone, self.commits + 1)

    def encode(self) -> bytes:
        """Write it as lines of JSON."""
        lines = [_Line(name, live) for name, live in sorted(self.counts.items())]
        lines += [_Line(f"={reason}", counts=False, rows=rows) for reason, rows in sorted(self.gone.items()) if rows]
        if self.commits:
            lines.append(_Line(_COMMITS, counts=False, rows=self.commits))
        return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def decode_state(data: bytes, key: str) -> PartitionState:
    """Read a state object; raises :class:`StateError` where it is not one."""
    try:
        lines = msgspec.json.decode(b"[" + b",".join(line for line in data.splitlines() if line.strip()) + b"]", type=list[_Line])
    except msgspec.MsgspecError as error:
        raise StateError(f"{key}: not a partition state: {error}") from error
    told = {line.part: line.rows for line in lines if line.part.startswith("=")}
    gone = {name[1:]: rows for name, rows in told.items() if name != _COMMITS}
    return PartitionState({line.part: line.counts for line in lines if not line.part.startswith("=")}, gone, told.get(_COMMITS, 0))


FIRST_HOUR_US: Final = 0
LAST_HOUR_US: Final = 4_102_444_800_000_000 - US_PER_HOUR
"""The first and the last hour that have a partition: 1970-01-01 00 and 2099-12-31 23."""


def partition_of(event_time_us: int) -> Partition:
    """Answer the partition of an event time (microseconds since 1970 UTC); absurd times lie in the first or the last partition there is.

    >>> partition_of(1_790_000_000_000_000).path
    'day=2026-09-21/hour=14'
    >>> partition_of(-62_135_596_800_000_000).path
    'day=1970-01-01/hour=00'
    """
    moment = to_datetime(min(max(event_time_us, FIRST_HOUR_US), LAST_HOUR_US))
    return Partition(moment.strftime("%Y-%m-%d"), moment.strftime("%H"))


def start_of(partition: Partition) -> int:
    """Answer when the hour of a partition begins (microseconds since 1970 UTC).

    >>> start_of(partition_of(1_790_000_000_000_000))
    1789999200000000
    """
    return from_datetime(datetime.fromisoformat(f"{partition.day}T{partition.hour}:00:00+00:00"))


def partitions_between(from_us: int, to_us: int) -> Iterator[Partition]:
    """Walk the partitions that the range [from_us, to_us) touches, oldest first."""
    at = from_us - from_us % US_PER_HOUR
    while at < to_us:
        yield partition_of(at)
        at += US_PER_HOUR


def part_key(table: TableName, partition: Partition, name: str) -> str:
    """Answer the key of a part in the store."""
    return f"{table}/{partition.path}/{name}"


def state_key(table: TableName, partition: Partition) -> str:
    """Answer the key of a partition's state object in the store."""
    return f"{table}_state/{partition.path}/{STATE_NAME}"


def fresh_name(producer: str, segment: int, first: int, last: int) -> str:
    """Name a fresh part after the sealed batch it holds, so that a retry writes the same object.

    >>> fresh_name("a1", 3, 0, 4096)
    'f-a1-00000003-000000000000-000000004096.parquet'
    """
    return f"f-{producer}-{segment:08}-{first:012}-{last:012}{PART_SUFFIX}"


def read_state(store: ObjectStore, table: TableName, partition: Partition) -> tuple[PartitionState, str | None]:
    """Read a partition's state and its tag for the next conditional PUT (``None``: there is none yet)."""
    key = state_key(table, partition)
    found = store.get_tagged(key)
    return (PartitionState(), None) if found is None else (decode_state(found.data, key), found.tag)


def list_parts(store: ObjectStore, table: TableName, partition: Partition) -> list[Part]:
    """List all parts of a partition, live or not, by name."""
    found = store.objects(f"{table}/{partition.path}/")
    parts = [Part(table, partition, item.key, item.size) for item in found if item.key.endswith(PART_SUFFIX)]
    return sorted((part for part in parts if not part.name.startswith("_")), key=lambda part: part.name)


def live_parts(store: ObjectStore, table: TableName, from_us: int, to_us: int) -> Sequence[Part]:
    """List the parts that hold the rows of a table with event times in [from_us, to_us), oldest partition first.

    Parts are listed before the state is read: a merge that commits in between takes away parts that were listed, and its own part is then
    missing from the list; so the listing is done again until the state did not change over it.
    """
    return [part for partition in existing_partitions(store, table, from_us, to_us) for part in _live_in(store, table, partition)]


def _live_in(store: ObjectStore, table: TableName, partition: Partition) -> list[Part]:
    while True:
        _, before = read_state(store, table, partition)
        parts = list_parts(store, table, partition)
        state, after = read_state(store, table, partition)
        if before == after:
            return [part for part in parts if state.is_live(part.name)]


def existing_partitions(store: ObjectStore, table: TableName, from_us: int, to_us: int) -> list[Partition]:
    """List the partitions that hold parts and that the range touches, oldest first; asks the store for days, then for hours."""
    first, last = partition_of(max(from_us, 0)), partition_of(max(to_us - 1, 0))
    return sorted(partition for partition in _partitions_below(store, f"{table}/", first.day, last.day) if first <= partition <= last)


def all_partitions(store: ObjectStore, table: TableName) -> list[Partition]:
    """List the partitions that hold parts or a state, oldest first: one whose rows all left has a state alone."""
    return sorted({partition for prefix in (f"{table}/", f"{table}_state/") for partition in _partitions_below(store, prefix, "", "~")})


def _partitions_below(store: ObjectStore, prefix: str, first_day: str, last_day: str) -> Iterator[Partition]:
    for day in (name.removeprefix("day=") for name in store.folders(prefix) if name.startswith("day=")):
        if first_day <= day <= last_day:
            yield from (Partition(day, name.removeprefix("hour=")) for name in store.folders(f"{prefix}day={day}/") if name.startswith("hour="))
