"""The lake: a sealed batch becomes one Parquet part for each table and hour of event time.

The names come from the batch's place in the spool, so a batch that is delivered again writes the same objects again.

Log rows of a revision above 0 (lines that were parsed again) take the place of the rows that are there, by one commit a partition (``firehose.keeper.replace``).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from firehose.batches import Batch, Key, Limits
from firehose.columns import ints, one_array
from firehose.cursor import OutcomeRow
from firehose.disk import Probe, no_probe
from firehose.keeper.replace import Rows, replace_rows
from firehose.parts import by_hour, write_part
from firehose.routes import LAKE
from tailrace.errors import TransientError
from tailrace.lake import PART_SUFFIX, Partition, part_key
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore

NAME: Final = LAKE
MAX_ROWS: Final = 240_000
REPLACED: Final[TableName] = "logs"
"""The table whose rows are replaced when they come. Spans come in two revisions all the time, and are the keeper's to sort out when it merges."""

_FRAME: Final = "_frame"


class LakeSink:
    """Writes parts into an object store."""

    name = NAME

    def __init__(self, store: ObjectStore, *, flush_after_s: float, flush_bytes: int, probe: Probe = no_probe) -> None:
        self._store, self._probe = store, probe
        self.limits = Limits(MAX_ROWS, flush_bytes, flush_after_s)

    def attempt(self, batch: Batch, stem: str) -> "_Parts":
        """Prepare the parts of a batch."""
        return _Parts(batch, stem, self._store, self._probe)

    def withdraw(self, name: TableName, rows: pa.Table) -> None:
        """Take rows away whose newer revision lies in another partition."""
        for partition, own in by_hour(rows):
            gone = Rows(one_array(own, "event_id"), ints(own, "revision") + 1)
            replace_rows(self._store, name, partition, gone, f"withdrawn {' '.join(map(str, gone.ids.to_pylist()))}", self._probe)


@dataclass(slots=True)
class _Parts:
    batch: Batch
    stem: str
    store: ObjectStore
    probe: Probe
    done: set[str] = field(default_factory=set)
    duplicate: Counter[Key] = field(default_factory=Counter)

    def run(self) -> tuple[OutcomeRow, ...]:
        for table, partition, rows in self._pieces():
            key = part_key(table, partition, f"f-{self.stem}{PART_SUFFIX}")
            if key in self.done:
                continue
            data = write_part(rows).to_pybytes()
            try:
                self.store.put(key, data)
            except OSError as error:
                raise TransientError(f"the lake cannot be written: {error.strerror or error}") from error
            self.probe("lake.part_put")
            self.done.add(key)
        self._replace()
        return self.batch.outcome(self.duplicate)

    def undo(self) -> None:
        """Delete the parts of the batch; the keeper has not touched them, as the batch is not done with."""
        for table, partition, _ in self._pieces():
            try:
                self.store.delete(part_key(table, partition, f"f-{self.stem}{PART_SUFFIX}"))
            except OSError as error:
                raise TransientError(f"the lake cannot be written: {error.strerror or error}") from error
        self.done.clear()

    def _pieces(self) -> Iterator[tuple[TableName, Partition, pa.Table]]:
        for name in self.batch.tables:
            rows = self.batch.table(name)
            first = rows.filter(pa.array(ints(rows, "revision") == 0)) if name == REPLACED else rows
            yield from ((name, partition, own) for partition, own in by_hour(first))

    def _replace(self) -> None:
        """Put rows of higher revisions in the place of others; one that is there already is a duplicate, unless an earlier try of this batch may have put it."""
        if REPLACED not in self.batch.tables:
            return
        rows = self.batch.table(REPLACED).append_column(_FRAME, pa.array(self.batch.origin(REPLACED)))
        for partition, own in by_hour(rows.filter(pa.array(ints(rows, "revision") > 0))):
            key = part_key(REPLACED, partition, f"replaced-{self.stem}")
            if key in self.done:
                continue
            there = self._replaced(partition, own)
            self.done.add(key)
            for frame in ints(own, _FRAME)[there] if not self.batch.retried else ():
                self.duplicate[self.batch.keys[REPLACED][frame]] += 1

    def _replaced(self, partition: Partition, own: pa.Table) -> npt.NDArray[np.bool_]:
        new = Rows(one_array(own, "event_id"), ints(own, "revision"), own.drop_columns([_FRAME]))
        try:
            return replace_rows(self.store, REPLACED, partition, new, self.stem, self.probe)
        except OSError as error:
            raise TransientError(f"the lake cannot be written: {error.strerror or error}") from error
