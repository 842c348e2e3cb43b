"""A copy of the lake in another folder or bucket, of one moment, and the way back.

``backup.json`` at the top of the target is the backup: the partitions' states as they were at that moment, and the names and sizes of the parts that counted. It is PUT
last, by one PUT, when all that it names is there and was read back; so a backup that is killed leaves the one before, whole. Parts never change, so those that are there
already are not copied again; those that no backup names any more are deleted after it. The target has the layout of a lake, its states are PUT after the parts.

Backups of one target are made one at a time: the PUT of ``backup.json`` is conditional, and of two that were begun one fails. A target that holds something else is
refused; ``backing_up.json`` marks one whose first backup was killed.

What sinks put while the moment is taken may be in it or not, part by part.

A restore takes what ``backup.json`` names, into a lake that is empty, and begins with ``restoring.json`` there: one that is killed may be begun again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from firehose.disk import Probe, no_probe
from firehose.frame import UNITS
from firehose.keeper.merge import steady_view
from tailrace.errors import StateError, TransientError, UsageError
from tailrace.lake import Part, Partition, PartitionState, all_partitions, decode_state, list_parts, part_key, read_state, state_key
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore

BACKUP: Final = "backup.json"
BACKING_UP: Final = "backing_up.json"
RESTORING: Final = "restoring.json"
ATTEMPTS: Final = 5
Done = Callable[[int], None]


class _Held(msgspec.Struct, frozen=True):
    """One partition: its state, as the lake had it, and the parts that counted, with their sizes."""

    table: TableName
    day: str
    hour: str
    state: str
    parts: dict[str, int]

    @property
    def partition(self) -> Partition:
        return Partition(self.day, self.hour)


class _Backup(msgspec.Struct, frozen=True):
    """What lay in the lake at one moment."""

    made_us: int
    partitions: list[_Held]


@dataclass(slots=True)
class Copied:
    """What was copied, what was there already, and what was deleted because no backup names it any more."""

    partitions: int = 0
    parts: int = 0
    bytes: int = 0
    already: int = 0
    deleted: int = 0


class _MovedError(Exception):
    """A part that counted at the moment is gone: it was replaced, and its grace period is over."""


def backup(lake: ObjectStore, target: ObjectStore, now_us: int, *, done: Done = lambda _: None, probe: Probe = no_probe) -> Copied:
    """Copy the lake as it is at one moment. Where a part goes before it is copied, the moment is another; raises :class:`TransientError` where that goes on."""
    before = target.get_tagged(BACKUP)
    if before is None and target.get(BACKING_UP) is None and not _is_empty(target):
        raise UsageError("the target holds something that is no backup: name another one")
    target.put(BACKING_UP, b"{}")
    copied = Copied()
    for _ in range(ATTEMPTS):
        taken = _Backup(now_us, list(_taken(lake)))
        probe("backup.taken")
        try:
            for held in taken.partitions:
                _copy(lake, target, held, copied, done)
        except _MovedError:
            continue
        probe("backup.parts_put")
        copied.partitions = len(taken.partitions)
        _finish(target, taken, before.tag if before else None, copied, probe)
        target.delete(BACKING_UP)
        return copied
    raise TransientError("parts are replaced and deleted faster than they can be copied: make the grace period longer, or the lake quieter")


def restore(source: ObjectStore, lake: ObjectStore, *, done: Done = lambda _: None, probe: Probe = no_probe) -> Copied:
    """Copy a backup into an empty lake. Raises :class:`UsageError` where there is none, or the lake holds something, :class:`StateError` where the backup is damaged."""
    found = source.get(BACKUP)
    if found is None:
        raise UsageError(f"there is no backup: {BACKUP} is missing")
    taken = _decoded(found)
    if lake.get(RESTORING) != found and not _is_empty(lake):
        raise UsageError("the lake holds something already: a backup is restored into an empty lake")
    lake.put(RESTORING, found)
    copied = Copied(partitions=len(taken.partitions))
    for held in taken.partitions:
        try:
            _copy(source, lake, held, copied, done)
        except _MovedError as error:
            raise StateError(f"the backup is damaged: {error}") from error
    probe("restore.parts_put")
    for held in taken.partitions:
        lake.put(state_key(held.table, held.partition), held.state.encode())
        probe("restore.state_put")
    lake.delete(RESTORING)
    return copied


def _taken(lake: ObjectStore) -> Iterator[_Held]:
    """Look at all partitions, and again until no state changed over it: what counts was so at one moment."""
    while True:
        views = [steady_view(lake, table, partition) for table in UNITS for partition in all_partitions(lake, table)]
        if all(read_state(lake, seen.table, seen.partition)[1] == seen.tag for seen in views):
            break
    for seen in views:
        parts = {part.name: part.size for part in seen.live}
        yield _Held(seen.table, seen.partition.day, seen.partition.hour, seen.state.encode().decode(), parts)


def _copy(source: ObjectStore, target: ObjectStore, held: _Held, copied: Copied, done: Done) -> None:
    """Copy the parts of a partition that are not there yet, and read each back."""
    there = {part.name: part.size for part in list_parts(target, held.table, held.partition)}
    for name, size in held.parts.items():
        done(1)
        if there.get(name) == size:
            copied.already += 1
            continue
        key = part_key(held.table, held.partition, name)
        data = source.get(key)
        if data is None:
            raise _MovedError(f"{key} is missing")
        if len(data) != size:
            raise StateError(f"{key} has {len(data):,} bytes, and should have {size:,}")
        _opened(key, data)
        target.put(key, data)
        if target.get(key) != data:
            raise StateError(f"{key} was written, and is read back as something else")
        copied.parts, copied.bytes = copied.parts + 1, copied.bytes + size


def _opened(key: str, data: bytes) -> None:
    try:
        pq.read_metadata(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise StateError(f"{key} is no Parquet file: {str(error).splitlines()[0]}; see: tailrace lake verify") from error


def _finish(target: ObjectStore, taken: _Backup, tag: str | None, copied: Copied, probe: Probe) -> None:
    """Put the states, then the backup itself, then delete what it does not name."""
    named = {(held.table, held.partition): held for held in taken.partitions}
    extras = list[Part]()
    for table in UNITS:
        for partition in sorted({*all_partitions(target, table), *(place for name, place in named if name == table)}):
            extras += _put_state(target, table, partition, named.get((table, partition)))
    probe("backup.states_put")
    if not target.put_if(BACKUP, msgspec.json.encode(taken), tag):
        raise TransientError("another backup was made in this target meanwhile: do it again")
    probe("backup.put")
    for part in extras:
        target.delete(part.key)
        copied.deleted += 1


def _put_state(target: ObjectStore, table: TableName, partition: Partition, held: _Held | None) -> list[Part]:
    """Put the state of a partition, in which nothing counts that the backup does not name; answer the parts that it does not name."""
    there, parts = list_parts(target, table, partition), held.parts if held else {}
    if missing := parts.keys() - {part.name for part in there}:
        raise TransientError(f"{part_key(table, partition, min(missing))} was deleted meanwhile, by another backup: do it again")
    extras = [part for part in there if part.name not in parts]
    state = decode_state(held.state.encode(), state_key(table, partition)) if held else PartitionState()
    counts = {**state.counts, **dict.fromkeys((part.name for part in extras), False)}
    target.put(state_key(table, partition), PartitionState(counts, state.gone, state.commits).encode())
    return extras


def _is_empty(lake: ObjectStore) -> bool:
    return not any(list_parts(lake, table, partition) or lake.get(state_key(table, partition)) for table in UNITS for partition in all_partitions(lake, table))


def _decoded(data: bytes) -> _Backup:
    try:
        return msgspec.json.decode(data, type=_Backup)
    except msgspec.MsgspecError as error:
        raise StateError(f"{BACKUP}: not a backup: {error}") from error
