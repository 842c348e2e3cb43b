"""Parquet parts: rows by hour of their event time, sorted by it, with bloom filters on ids.

The hour is that of ``event_time``; times before 1970 or after 2099 lie in the first or the last partition there is (``tailrace.lake.partition_of``),
whole and with their own time: they are found by every search whose range has no end on that side.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tailrace.clock import US_PER_HOUR
from tailrace.lake import FIRST_HOUR_US, LAST_HOUR_US, Partition, partition_of

ROW_GROUP_ROWS: Final = 120_000
BLOOM_COLUMNS: Final = ("event_id", "trace_id", "span_id", "aws_request_id")
BLOOM_FALSE: Final = 0.01
PLAIN_COLUMNS: Final = frozenset({"event_id", "message", "raw", "attributes", "trace_id", "span_id", "event_time", "observed_time"})
"""Columns of which few values repeat: a dictionary would be made and thrown away."""


def event_times(table: pa.Table) -> npt.NDArray[np.int64]:
    """Answer the event times in microseconds; a missing one is the observed time, else 1970."""
    times = table.column("event_time").cast(pa.int64())
    if times.null_count:
        times = pa.chunked_array([pa.array(np.where(times.is_null(), table.column("observed_time").cast(pa.int64()).fill_null(0), times.fill_null(0)))])
    return np.asarray(times.to_numpy(), np.int64)


def by_hour(table: pa.Table) -> Iterator[tuple[Partition, pa.Table]]:
    """Sort rows by event time (equal times keep their order) and cut them at the hours."""
    times = event_times(table)
    if len(times) and np.any(np.diff(times) < 0):
        order = np.argsort(times, kind="stable")
        table, times = table.take(pa.array(order)), times[order]
    hours = np.clip(times, FIRST_HOUR_US, LAST_HOUR_US) // US_PER_HOUR
    starts = np.flatnonzero(np.diff(hours, prepend=-1))
    for start, end in zip(starts, (*starts[1:], len(hours)), strict=True):
        yield partition_of(int(hours[start]) * US_PER_HOUR), table.slice(start, end - start)


def write_part(table: pa.Table) -> pa.Buffer:
    """Write rows, sorted already, as one Parquet file."""
    sink = pa.BufferOutputStream()
    rows = min(max(table.num_rows, 1), ROW_GROUP_ROWS)
    blooms = {
        name: {"ndv": rows, "fpp": BLOOM_FALSE} for name in BLOOM_COLUMNS if name in table.column_names and table.column(name).null_count < table.num_rows
    }
    pq.write_table(
        table.unify_dictionaries().combine_chunks(),
        sink,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in table.column_names if name not in PLAIN_COLUMNS],
        bloom_filter_options=blooms,
    )
    return sink.getvalue()
