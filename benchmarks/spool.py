"""What the write path behind the collector costs: put (durable), the lake sink, bodies of ``_bulk``.

Rows are app logs of 330 bytes; each figure is the median of five. Run alone: ``python -m benchmarks.spool``.
"""

import statistics
import threading
import time
from collections.abc import Callable, Sequence

import pyarrow as pa

from benchmarks.log_rows import TYPES, delivery
from benchmarks.streams import stream
from firehose import LocalFirehose
from firehose.delivery import Delivery
from firehose.parts import by_hour, write_part
from firehose.sinks.opensearch.attribute_split import AttributeSplit
from firehose.sinks.opensearch.body import lines


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
    return [
        ("put, 2,000 rows each, one thread, each put synced", f"{200_000 / median(lambda: put_seconds(large, 1, down=True)):,.0f} events/s"),
        ("put, 20 rows each, one thread", f"{1_000 / median(lambda: put_seconds(small, 1, down=True)):,.0f} puts/s"),
        ("put, 20 rows each, eight threads (group commit)", f"{1_000 / median(lambda: put_seconds(small, 8, down=True)):,.0f} puts/s"),
        ("put until all is in the lake", f"{200_000 / median(lambda: drain_seconds(large)):,.0f} events/s"),
        ("Parquet parts with bloom filters", f"{200_000 / median(lambda: part_seconds(table)):,.0f} events/s"),
        ("bodies of `_bulk`", f"{200_000 / median(lambda: body_seconds(table, split)):,.0f} documents/s"),
    ]


if __name__ == "__main__":
    for name, figure in measure():
        print(f"{name:70} {figure}")
