"""Numbered events, and where they are."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from firehose import LocalFirehose
from firehose.delivery import Count, DeadLetter, Delivery
from tailrace.forms import arrow_schema
from tailrace.lake import LAST_HOUR_US, live_parts
from tailrace.ledger import Hop
from tailrace.schema import TableName
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore

NOON_US = 1_790_000_000_000_000
ALWAYS = (0, LAST_HOUR_US + 3_600_000_000)


def table_of(rows: Sequence[dict[str, Any]], table: TableName = "logs") -> pa.Table:
    """Rows of a table; what a row does not say is null, but for the identity."""
    common = {"revision": 0, "event_time": NOON_US, "observed_time": NOON_US}
    return pa.Table.from_pylist([{**common, **row} for row in rows], schema=arrow_schema(table))


def numbered(first: int, count: int, *, at_us: int = NOON_US, **more: Any) -> pa.Table:
    """Events ``e-<number>``, a millisecond apart."""
    rows = [
        {"event_id": f"e-{n}", "event_time": at_us + n * 1_000, "message": f'event "{n}"', "service_name": "cart", **more} for n in range(first, first + count)
    ]
    return table_of(rows)


def delivery_of(table: pa.Table, *, source: str = "test:a", dead: Sequence[DeadLetter] = (), received_us: int = NOON_US) -> Delivery:
    """A delivery of log rows that adds up."""
    counts = (Count("decode", "payloads", 1 + len(dead), 1, dead=len(dead)), Count("collect", "events", table.num_rows, table.num_rows))
    return Delivery(source, received_us, {"logs": table} if table.num_rows else {}, counts, tuple(dead))


def events(first: int, count: int, **more: Any) -> Delivery:
    """A delivery of numbered events."""
    return delivery_of(numbered(first, count), **more)


def lake_column(home: Path, column: str = "event_id", table: TableName = "logs") -> list[Any]:
    """A column of all rows that count."""
    store = FolderStore(home / "lake")
    parts = live_parts(store, table, *ALWAYS)
    return [value for part in parts for value in pq.ParquetFile(home / "lake" / part.key).read([column]).column(column).to_pylist()]


def ledger_says(*, pending: int = 0, **out: int) -> Callable[[], list[Hop]]:
    """A ledger that says how many rows of each unit went to the lake, and that so many more of each are on their way."""
    return lambda: [Hop("deliver", "lake", unit, rows + pending, rows, pending, 0, 0, 0, 0, 0) for unit, rows in out.items()]


def quick(home: Path, **more: Any) -> Settings:
    """Settings that do not wait."""
    return Settings(home=home, **{"lake_flush_after_s": 0.02, **more})


def numbers(count: int) -> list[str]:
    """The ids of the first events, sorted as texts."""
    return sorted(f"e-{n}" for n in np.arange(count))


def everything_delivered(stream: LocalFirehose, within_s: float = 30.0) -> bool:
    """Wait until every sink has everything, also one that fails for a while, which a flush does not wait for."""
    deadline = time.monotonic() + within_s
    while any(sink["behind_rows"] for sink in stream.status()["sinks"]) and time.monotonic() < deadline:
        stream.flush(1)
        time.sleep(0.02)
    return stream.flush() and not any(sink["behind_rows"] for sink in stream.status()["sinks"])
