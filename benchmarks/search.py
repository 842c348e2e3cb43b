"""Searches over generated rows: a histogram by hour and level, a word, a terms aggregation, the newest hundred; milliseconds, median of five.

``python -m benchmarks.search [ROWS]`` (default 5,000,000: ten days, 240 parts). What is timed is the whole search, from body to response.
"""

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from queries.connections.duckdb import LakeConnection
from queries.engines.lake import LakeEngine
from tailrace.clock import US_PER_HOUR, ManualClock
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema
from tailrace.lake import fresh_name, part_key, partition_of
from tailrace.schema import FieldType
from tailrace.settings import Settings
from tailrace.stores.folder import FolderStore

HOURS = 240
ROWS = 5_000_000
START_US = 1_794_614_400_000_000
ROUNDS = 5

_WHOLE: dict[str, Any] = {"match_all": {}}
_DAY = {"range": {"@timestamp": {"gte": "now-1d", "lt": "now"}}}
SEARCHES: dict[str, dict[str, Any]] = {
    "histogram hour x level, all": {"size": 0, "aggs": {"h": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}, "aggs": {"l": {"terms": {"field": "severity_text"}}}}}},
    "the same, one day": {"size": 0, "query": _DAY, "aggs": {"h": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}, "aggs": {"l": {"terms": {"field": "severity_text"}}}}}},
    "match a common word, count, all": {"size": 0, "track_total_hits": True, "query": {"match": {"message": "timeout"}}},
    "match a rare word, rows, all": {"size": 100, "query": {"match": {"message": "zebra"}}},
    "match a word, newest 100, one day": {"size": 100, "query": {"bool": {"filter": [_DAY, {"match": {"message": "timeout"}}]}}},
    "phrase of three words, count, all": {"size": 0, "track_total_hits": True, "query": {"match_phrase": {"message": "payment gateway timeout"}}},
    "terms of service, all": {"size": 0, "aggs": {"s": {"terms": {"field": "service.name"}}}},
    "terms of an attribute where ERROR, one day": {"size": 0, "query": {"bool": {"filter": [_DAY, {"term": {"severity_text": "ERROR"}}]}}, "aggs": {"u": {"terms": {"field": "user.id"}}}},
    "p95 by service, one day": {"size": 0, "query": _DAY, "aggs": {"s": {"terms": {"field": "service.name"}, "aggs": {"p": {"percentiles": {"field": "duration_s", "percents": [95]}}}}}},
    "newest 100, all": {"size": 100, "query": _WHOLE},
    "newest 100, one day": {"size": 100, "query": _DAY},
    "one trace id, all": {"size": 100, "query": {"term": {"trace_id": f"{7:032x}"}}},
}  # fmt: skip

MESSAGES = [f"order {n} accepted by {word}" for n, word in enumerate(("cart", "web", "Inventory", "mail"))]
MESSAGES += [
    "com.shop.PaymentError: payment gateway timeout after 3000 ms",
    "GET /cart/checkout HTTP/1.1 served",
    "cache miss for key user:42",
    "retrying, Timeout while waiting for stock",
]


def measure(rows: int) -> list[tuple[str, float]]:
    """Write the rows, ask each search five times; answer milliseconds a search."""
    home = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    try:
        write_lake(home / "lake", rows)
        connection = LakeConnection(Settings(home=home), FolderStore(home / "lake"))
        engine = LakeEngine(connection, AttributeRegister(None, {"user.id": FieldType.LONG}), ManualClock(START_US + HOURS * US_PER_HOUR))
        figures = [(name, median_ms(engine, body)) for name, body in SEARCHES.items()]
        connection.close()
        return figures
    finally:
        shutil.rmtree(home)


def median_ms(engine: LakeEngine, body: dict[str, object]) -> float:
    """Ask a search five times."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        engine.search("logs", body)
        times.append((time.perf_counter() - began) * 1_000)
    return statistics.median(times)


def write_lake(folder: Path, rows: int) -> None:
    """Write parts by hour, as the lake writer lays them out."""
    random = np.random.default_rng(1)
    each = rows // HOURS
    for hour in range(HOURS):
        start_us = START_US + hour * US_PER_HOUR
        path = folder / part_key("logs", partition_of(start_us), fresh_name("bench", 1, hour, hour))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            hour_of_rows(random, start_us, hour, each),
            path,
            compression="zstd",
            row_group_size=120_000,
            bloom_filter_options={"trace_id": {"ndv": each, "fpp": 0.01}},
        )


def hour_of_rows(random: np.random.Generator, start_us: int, hour: int, count: int) -> pa.Table:
    """Make one hour of rows."""
    schema = arrow_schema("logs")
    ids = np.arange(count) + hour * count
    times = np.sort(random.integers(0, US_PER_HOUR, count)) + start_us
    messages = np.array(MESSAGES)[random.integers(0, len(MESSAGES), count)]
    messages = np.char.add(np.char.add(messages, " id="), ids.astype(str))
    messages[:1] = f"a zebra crossed in hour {hour}"
    columns: dict[str, Any] = {
        "event_id": [f"{number:020x}" for number in ids],
        "revision": np.zeros(count, np.int64),
        "event_time": pa.array(times).cast(pa.timestamp("us")),
        "severity_text": np.array(["INFO", "INFO", "INFO", "WARN", "ERROR"])[random.integers(0, 5, count)],
        "message": messages,
        "service_name": np.array(["web", "cart", "payment", "inventory", "mail"])[random.integers(0, 5, count)],
        "trace_id": [f"{number // 10:032x}" for number in ids],
        "http_response_status_code": np.array([200, 200, 404, 500])[random.integers(0, 4, count)],
        "duration_s": random.exponential(0.2, count),
        "attributes": [f'{{"user.id":{number},"tenant":"acme"}}' for number in random.integers(0, 5_000, count)],
    }
    nothing = pa.array([None] * count)
    return pa.table({field.name: columns.get(field.name, nothing) for field in schema}).cast(schema)


if __name__ == "__main__":
    for title, took_ms in measure(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS):
        print(f"{title:45} {took_ms:8.0f} ms")
