"""The keeper's care of token filters: merged parts that count get one, those of parts that are gone are deleted (``tailrace.token_filter``).

A filter is made from the part itself, after the commit: wherever it comes from (a merge, an expiry, an erasure, a restore), and if the process was killed before. Parts that never change have filters that
never change, and two keepers write the same bytes. The keeper waits until a part has been left alone for a while (:data:`AFTER_S`): in an hour that is written to parts are merged again and again.
"""

from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from firehose.disk import Probe, no_probe
from firehose.keeper.merge import View, source
from tailrace.errors import StateError
from tailrace.lake import Part, Partition
from tailrace.schema import TableName
from tailrace.stores.port import ObjectStore
from tailrace.token_filter import encode, filter_key, text_column, words_of

AFTER_S: Final = 600.0
"""Age of a part that gets a filter. Making one takes about 3 us a row, a third of what taking the row in takes."""


class TokenFilters:
    """Makes and deletes filters; remembers the partitions that it has seen as they are."""

    def __init__(self, store: ObjectStore, probe: Probe = no_probe) -> None:
        self._store, self._probe = store, probe
        self._tended: dict[tuple[TableName, Partition], frozenset[str]] = {}

    def tend(self, seen: View, is_ripe: Callable[[Part], bool] = lambda _: True) -> int:
        """Look after the filters of a partition; answer how many were made. A part that cannot be read has none, nor has one that is not ripe."""
        column, place = text_column(seen.table), (seen.table, seen.partition)
        parts = [part for part in seen.parts if part.is_merged]
        ripe = [part for part in seen.live if part.is_merged and is_ripe(part)]
        names = frozenset([*(part.name for part in parts), *(f"ripe {part.name}" for part in ripe)])
        if column is None or self._tended.get(place) == names:
            return 0
        keys = {filter_key(part) for part in parts}
        there = {item.key for item in self._store.objects(f"{seen.table}_tokens/{seen.partition.path}/")}
        for key in there - keys:
            self._store.delete(key)
        made = sum(self._make(part, column) for part in ripe if filter_key(part) not in there)
        self._tended[place] = names
        return made

    def _make(self, part: Part, column: str) -> bool:
        try:
            file = pq.ParquetFile(source(self._store, part))
            if column not in file.schema_arrow.names:
                return False
            data = encode(words_of(file.read_row_group(group, columns=[column]).column(column)) for group in range(file.num_row_groups))
        except (StateError, FileNotFoundError, pa.ArrowException, OSError):  # replaced and deleted meanwhile, or damaged: tailrace lake verify says so
            return False
        self._store.put(filter_key(part), data)
        self._probe("keeper.filter_put")
        return True
