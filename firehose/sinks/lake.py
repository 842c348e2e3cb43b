"""The lake: a sealed batch becomes one Parquet part for each table and hour of event time.

The names come from the batch's place in the spool, so a batch that is delivered again writes the same objects again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from firehose.batches import Batch, Limits
from firehose.cursor import OutcomeRow
from firehose.disk import Probe, no_probe
from firehose.parts import by_hour, write_part
from tailrace.errors import TransientError
from tailrace.lake import PART_SUFFIX, Partition, part_key
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore

NAME: Final = "lake"
MAX_ROWS: Final = 240_000


class LakeSink:
    """Writes parts into an object store."""

    name = NAME

    def __init__(self, store: ObjectStore, *, flush_after_s: float, flush_bytes: int, probe: Probe = no_probe) -> None:
        self._store, self._probe = store, probe
        self.limits = Limits(MAX_ROWS, flush_bytes, flush_after_s)

    def attempt(self, batch: Batch, stem: str) -> "_Parts":
        """Prepare the parts of a batch."""
        return _Parts(batch, f"f-{stem}{PART_SUFFIX}", self._store, self._probe)


@dataclass(slots=True)
class _Parts:
    batch: Batch
    part_name: str
    store: ObjectStore
    probe: Probe
    done: set[str] = field(default_factory=set)

    def run(self) -> tuple[OutcomeRow, ...]:
        for table, partition, rows in self._pieces():
            key = part_key(table, partition, self.part_name)
            if key in self.done:
                continue
            data = write_part(rows).to_pybytes()
            try:
                self.store.put(key, data)
            except OSError as error:
                raise TransientError(f"the lake cannot be written: {error.strerror or error}") from error
            self.probe("lake.part_put")
            self.done.add(key)
        return self.batch.outcome()

    def _pieces(self) -> Iterator[tuple[TableName, Partition, pa.Table]]:
        for name in self.batch.tables:
            yield from ((name, partition, rows) for partition, rows in by_hour(self.batch.table(name)))
