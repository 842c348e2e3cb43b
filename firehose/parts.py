"""Parquet parts: rows by hour of their event time, sorted by it, with bloom filters on ids.

The hour is that of ``event_time``; times before 1970 or after 2099 lie in the first or the last partition there is (``tailrace.lake.partition_of``),
whole and with their own time: they are found by every search whose range has no end on that side.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from firehose.columns import Ints, ints, nulls, take
from tailrace.clock import US_PER_HOUR
from tailrace.lake import FIRST_HOUR_US, LAST_HOUR_US, Partition, partition_of

ROW_GROUP_ROWS: Final = 120_000
BLOOM_COLUMNS: Final = ("event_id", "trace_id", "span_id", "aws_request_id")
BLOOM_FALSE: Final = 0.01
REMOVED: Final = b"tailrace.removed"
"""Key in a file's metadata: rows that were left out of it as duplicates or lower revisions."""

PLAIN_COLUMNS: Final = frozenset({"event_id", "message", "raw", "attributes", "trace_id", "span_id", "event_time", "observed_time"})
"""Columns of which few values repeat: a dictionary would be made and thrown away."""


def event_times(table: pa.Table) -> Ints:
    """Answer the event times in microseconds; a missing one is the observed time, else 1970."""
    times = ints(table, "event_time")
    if table.column("event_time").null_count:
        times = np.where(nulls(table, "event_time"), ints(table, "observed_time"), times)
    return times


def by_hour(table: pa.Table) -> Iterator[tuple[Partition, pa.Table]]:
    """Sort rows by event time (equal times keep their order) and cut them at the hours."""
    if not table.num_rows:
        return
    times = event_times(table)
    if np.any(np.diff(times) < 0):
        order = np.argsort(times, kind="stable")
        table, times = take(table, order), times[order]
    hours = np.clip(times, FIRST_HOUR_US, LAST_HOUR_US) // US_PER_HOUR
    starts = np.flatnonzero(np.diff(hours, prepend=-1))
    for start, end in zip(starts, (*starts[1:], len(hours)), strict=True):
        yield partition_of(int(hours[start]) * US_PER_HOUR), table.slice(int(start), int(end - start))


def write_part(table: pa.Table, removed: int = 0) -> pa.Buffer:
    """Write rows, sorted already, as one Parquet file; it says how many rows were removed when it was merged, so that a count of the lake adds up."""
    sink = pa.BufferOutputStream()
    rows = min(max(table.num_rows, 1), ROW_GROUP_ROWS)
    blooms = {
        name: {"ndv": rows, "fpp": BLOOM_FALSE} for name in BLOOM_COLUMNS if name in table.column_names and table.column(name).null_count < table.num_rows
    }
    pq.write_table(
        table.replace_schema_metadata({REMOVED: str(removed)}),
        sink,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=1,
        write_page_checksum=True,
        use_dictionary=[name for name in table.column_names if name not in PLAIN_COLUMNS],  # type: ignore[arg-type] # names are taken too
        bloom_filter_options=blooms,
    )
    return sink.getvalue()


def rows_in(source: Path | pa.BufferReader) -> tuple[int, int]:
    """Answer the rows of a part, and those that were removed when it was made."""
    found = pq.read_metadata(source)
    return found.num_rows, int((found.metadata or {}).get(REMOVED, b"0"))
