"""What the write path behind the collector costs: put (durable), the lake sink, bodies of ``_bulk``, a start with a backlog.

Rows are app logs of 330 bytes; each figure is the median of five, the start's alone is of one. Run alone: ``python -m benchmarks.spool``.
"""

import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from firehose import LocalFirehose
from firehose.batches import Batch, Limits
from firehose.cursor import OutcomeRow
from firehose.delivery import Count, Delivery
from firehose.parts import by_hour, write_part
from firehose.sinks.opensearch.attribute_split import AttributeSplit
from firehose.sinks.opensearch.body import lines
from tailrace.clock import SystemClock
from tailrace.errors import TransientError
from tailrace.forms import arrow_schema
from tailrace.schema import FieldType
from tailrace.settings import Settings

NOON_US = 1_790_000_000_000_000
TYPES = {"user.id": FieldType.KEYWORD, "order_id": FieldType.LONG, "ok": FieldType.BOOLEAN, "elapsed_ms": FieldType.DOUBLE}


class DownSink:
    """A sink that is never there: everything stays in the spool."""

    name = "down"
    limits = Limits(1_000, 1 << 20, 60.0)

    def attempt(self, batch: Batch, stem: str) -> "DownSink":
        """Prepare nothing."""
        del batch, stem
        return self

    def run(self) -> tuple[OutcomeRow, ...]:
        """Refuse."""
        raise TransientError("down")


def rows(first: int, count: int) -> pa.Table:
    """App logs as a parser leaves them."""
    numbers = np.arange(first, first + count)
    chance = np.random.default_rng(first)
    texts: dict[str, Any] = {
        "event_id": [f"{n:056d}" for n in numbers],
        "message": [f"order {n} of user u{n % 4096} paid after {x} ms: {x:x}{n:x}" for n, x in zip(numbers, chance.integers(0, 2**40, count), strict=True)],
        "attributes": [f'{{"user.id":"u{n % 4096}","order_id":{n},"ok":true,"elapsed_ms":{n % 977}.5}}' for n in numbers],
        "trace_id": [f"{x:016x}{n:016x}" for n, x in zip(numbers, chance.integers(0, 2**60, count), strict=True)],
        "event_time": NOON_US + numbers * 50,
        "observed_time": NOON_US + numbers * 50,
        "revision": np.zeros(count, np.int64),
        "severity_number": np.full(count, 9),
        **{
            name: [word] * count
            for name, word in (("severity_text", "INFO"), ("service_name", "checkout"), ("log_format", "app.json"), ("parse_status", "parsed"))
        },
        **{name: [f"cloudwatch:/aws/lambda/{name}"] * count for name in ("log_source", "aws_log_group_name", "aws_log_stream_name")},
    }
    return pa.table(
        [pa.array(texts[f.name]).cast(f.type) if f.name in texts else pa.nulls(count, f.type) for f in arrow_schema("logs")], schema=arrow_schema("logs")
    )


def delivery(first: int, count: int) -> Delivery:
    """A delivery of so many rows."""
    return Delivery("cloudwatch:/aws/lambda/checkout", NOON_US, {"logs": rows(first, count)}, (Count("collect", "events", count, count),))


@contextmanager
def stream(*, down: bool = False) -> Iterator[LocalFirehose]:
    """A delivery stream in a folder of its own."""
    home = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    try:
        with LocalFirehose(Settings(home=home), SystemClock(), sinks=[DownSink()] if down else None) as opened:
            yield opened
    finally:
        shutil.rmtree(home)


def put_seconds(deliveries: Sequence[Delivery], threads: int, *, down: bool) -> float:
    """How long putting takes, divided among threads."""
    with stream(down=down) as opened:
        began = time.perf_counter()
        workers = [threading.Thread(target=put_all, args=(opened, deliveries[n::threads])) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.perf_counter() - began


def put_all(opened: LocalFirehose, deliveries: Sequence[Delivery]) -> None:
    """Put one after the other."""
    for one in deliveries:
        opened.put(one)


def drain_seconds(deliveries: Sequence[Delivery]) -> float:
    """How long it takes from the first put until all is in the lake."""
    with stream() as opened:
        began = time.perf_counter()
        for one in deliveries:
            opened.put(one)
        opened.flush(120)
        return time.perf_counter() - began


def open_seconds(count: int, each: int) -> tuple[float, int]:
    """How long a start takes with a backlog of deliveries, and how many bytes that has."""
    home = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    try:
        with LocalFirehose(Settings(home=home), SystemClock(), sinks=[DownSink()]) as opened:
            for number in range(count):
                opened.put(delivery(number * each, each))
            size = int(opened.status()["spool"]["bytes"])
        began = time.perf_counter()
        again = LocalFirehose(Settings(home=home), SystemClock(), sinks=[DownSink()])
        seconds = time.perf_counter() - began
        again.close()
        return seconds, size
    finally:
        shutil.rmtree(home)


def median(what: Callable[[], float], times: int = 5) -> float:
    """The median of some runs."""
    return statistics.median(what() for _ in range(times))


def part_seconds(table: pa.Table) -> float:
    """How long writing Parquet of rows takes."""
    began = time.perf_counter()
    for _, part in by_hour(table):
        write_part(part)
    return time.perf_counter() - began


def body_seconds(table: pa.Table, split: AttributeSplit) -> float:
    """How long making bodies takes."""
    began = time.perf_counter()
    for start in range(0, table.num_rows, 10_000):
        lines("logs", table.slice(start, 10_000), split)
    return time.perf_counter() - began


def measure() -> list[tuple[str, str]]:
    """Measure; answer a line a figure."""
    large, small = [delivery(n * 2_000, 2_000) for n in range(100)], [delivery(n * 20, 20) for n in range(1_000)]
    table, split = pa.concat_tables([one.tables["logs"] for one in large]), AttributeSplit(TYPES)
    seconds, size = open_seconds(600, 5_000)
    return [
        ("put, 2,000 rows each, one thread, each put synced", f"{200_000 / median(lambda: put_seconds(large, 1, down=True)):,.0f} events/s"),
        ("put, 20 rows each, one thread", f"{1_000 / median(lambda: put_seconds(small, 1, down=True)):,.0f} puts/s"),
        ("put, 20 rows each, eight threads (group commit)", f"{1_000 / median(lambda: put_seconds(small, 8, down=True)):,.0f} puts/s"),
        ("put until all is in the lake", f"{200_000 / median(lambda: drain_seconds(large)):,.0f} events/s"),
        ("Parquet parts with bloom filters", f"{200_000 / median(lambda: part_seconds(table)):,.0f} events/s"),
        ("bodies of `_bulk`", f"{200_000 / median(lambda: body_seconds(table, split)):,.0f} documents/s"),
        (f"a start with a backlog of 3,000,000 events ({size / 1e6:,.0f} MB)", f"{seconds:.2f} s"),
    ]


if __name__ == "__main__":
    for name, figure in measure():
        print(f"{name:70} {figure}")
