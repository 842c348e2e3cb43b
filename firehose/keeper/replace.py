"""Rows of a higher revision take the place of those with the same event ids, in one partition, by one commit.

Parts that hold a lower revision are written again without it, under names of merged parts; one conditional PUT of the partition's state is the commit, as in ``firehose.keeper.merge``: before it
the old rows count, after it the new ones do. Where somebody else committed meanwhile it is done again from the start.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from firehose.columns import compute, ints, one_array, take
from firehose.disk import Probe, no_probe
from firehose.keeper.merge import View, commit, merged_name, read_part, source, view
from firehose.parts import event_times, rows_in, write_part
from tailrace.errors import StateError, TransientError
from tailrace.lake import Part, Partition, part_key
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore

ATTEMPTS: Final = 20
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """What takes a place: event ids, each once, with their revisions; and the rows themselves, or none where they lie in another partition now."""

    ids: pa.StringArray
    revisions: npt.NDArray[np.int64]
    table: pa.Table | None = None


def replace_rows(store: ObjectStore, name: TableName, partition: Partition, rows: Rows, stem: str, probe: Probe = no_probe) -> Mask:
    """Put rows in the place of lower revisions; answer which of them were there already, in that revision or a higher one.

    Raises :class:`TransientError` where others commit all the time.
    """
    for _ in range(ATTEMPTS):
        seen = view(store, name, partition)
        try:
            there, lower = _compared(store, seen.live, rows)
            if not lower and (rows.table is None or there.all()):
                return there
            if _committed(store, seen, rows, there, lower, stem, probe):
                return there
        except (StateError, FileNotFoundError):  # a part that was listed was merged and deleted meanwhile
            continue
    raise TransientError(f"{name}/{partition.path}: others commit all the time")


def _compared(store: ObjectStore, parts: Iterable[Part], rows: Rows) -> tuple[Mask, list[tuple[Part, Mask]]]:
    """Answer which rows are there already, and which rows of which parts are of a lower revision."""
    there, lower = np.zeros(len(rows.ids), np.bool_), list[tuple[Part, Mask]]()
    for part in parts:
        found = pq.read_table(source(store, part), columns=["event_id", "revision"])
        which = np.asarray(compute.fill_null(compute.index_in(one_array(found, "event_id"), value_set=rows.ids), -1).to_numpy(), np.int64)
        held = which >= 0
        if not held.any():
            continue
        older = held & (ints(found, "revision") < rows.revisions[which])
        there[which[held & ~older]] = True
        if older.any():
            lower.append((part, older))
    return there, lower


def _committed(store: ObjectStore, seen: View, rows: Rows, there: Mask, lower: list[tuple[Part, Mask]], stem: str, probe: Probe) -> bool:
    names, emptied = list[str](), 0
    for part, older in lower:
        kept, removed = read_part(store, part).filter(pa.array(~older)), int(older.sum()) + rows_in(source(store, part))[1]
        if kept.num_rows:
            names.append(_put(store, seen, f"{part.name} without {stem}", kept, removed))
        else:
            emptied += removed
    if rows.table is not None and not there.all():
        left = rows.table.filter(pa.array(~there))
        order = np.argsort(event_times(left), kind="stable")
        names.append(_put(store, seen, "\n".join([stem, *(part.name for part, _ in lower)]), take(left, order), emptied))
    elif emptied:  # a part without rows says how many were removed, so that a count of the lake adds up
        names.append(_put(store, seen, f"emptied {stem} " + " ".join(part.name for part, _ in lower), read_part(store, lower[0][0]).slice(0, 0), emptied))
    probe("lake.rewritten")
    state = seen.state.replaced([part.name for part, _ in lower], names)
    return commit(store, seen, state)


def _put(store: ObjectStore, seen: View, told: str, table: pa.Table, removed: int) -> str:
    name = merged_name(seen, told)
    store.put(part_key(seen.table, seen.partition, name), write_part(table, removed).to_pybytes())
    return name
