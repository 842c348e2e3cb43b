"""One measurement of ingest, in a process of its own so that its peak memory is its own: CloudWatch payloads to Parquet.

``python -m benchmarks.ingest_child PAYLOADS_FILE FOLDER`` prints one JSON object: gzip bytes in, through ``Collector.collect_payloads``, Parquet of the lake's columns out (zstd, bloom filters on ids), a
thread that reads and one that writes, no spool and no fsync. ``--one-thread``: one does both. ``--lines``: of a file of lines. ``--redact``: with all built-in redactions. ``--wait``: after the warm-up it writes a line and begins when it
gets one, so that two can begin at once.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.payloads import EVENTS_A_PAYLOAD
from collectors.collector import Collector
from collectors.format_file import load_formats
from collectors.from_settings import work_with
from collectors.lines import Origin
from collectors.rules.rule_file import NO_RULES, parse_rules
from collectors.sources.files import LineSource
from firehose.delivery import Delivery
from firehose.parts import by_hour, write_part
from tailrace.clock import SystemClock
from tailrace.fields import AttributeRegister
from tailrace.yaml_file import parse_yaml

BYTES_A_FILE: Final = 32 * 1024 * 1024
"""Of columns in memory; about 40,000 application events, as many as Logprep's side writes at a time."""

WARM_UP: Final = 10
"""Payloads that go the whole way before the clock runs, on both sides."""

REDACT: Final = b"redact: [email, card, aws_key, token, ip]"


class Run(msgspec.Struct):
    """One measurement: ``bytes`` are those of the Parquet files."""

    events: int
    failed: int
    seconds: float
    cpu_s: float
    bytes: int
    peak_rss_mb: float


class ParquetFolder:
    """A delivery stream that writes parts of the lake, without a spool before it: one part at a time, in a thread of its own, while the next rows are read."""

    def __init__(self, folder: Path, *, one_thread: bool = False) -> None:
        self._folder, self._waiting = folder, list[pa.Table]()
        self._writer, self._written = None if one_thread else ThreadPoolExecutor(1), Future[None]()
        self._written.set_result(None)
        self.rows = self.failed = self.bytes = self._files = 0

    def put(self, delivery: Delivery) -> None:
        """Take the rows; write them when there are enough."""
        if table := delivery.tables.get("logs"):
            self._waiting.append(table)
        if sum(table.nbytes for table in self._waiting) >= BYTES_A_FILE:
            self._hand_over()

    def flush(self) -> None:
        """Write what waits, and wait for it."""
        self._hand_over()
        self._written.result()

    def _hand_over(self) -> None:
        self._written.result()
        waiting, self._waiting = self._waiting, []
        if waiting and self._writer:
            self._written = self._writer.submit(self._write, pa.concat_tables(waiting))
        elif waiting:
            self._write(pa.concat_tables(waiting))

    def _write(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        self.failed += pc.sum(pc.equal(rows["parse_status"], "failed")).as_py()
        for _, part in by_hour(rows):
            buffer = write_part(part)
            (self._folder / f"{self._files}.parquet").write_bytes(buffer)
            self._files, self.bytes = self._files + 1, self.bytes + buffer.size


def child(source: Path, folder: Path, *, lines: bool = False, one_thread: bool = False, redact: bool = False, wait: bool = False) -> Run:
    """Measure once, from the first payload to the last byte written."""
    pa.set_cpu_count(1)
    formats = load_formats()
    register = AttributeRegister(declared=formats.declared())
    rules = parse_rules(parse_yaml(REDACT, "redact.yaml"), folder) if redact else NO_RULES
    work = work_with(formats, register, rules)
    stream = ParquetFolder(folder, one_thread=one_thread)
    _collect(Collector(stream, work, register, SystemClock()), source, lines=lines, first=True)
    stream.flush()
    if wait:
        print("READY", flush=True)
        sys.stdin.readline()
    stream = ParquetFolder(folder, one_thread=one_thread)
    collector = Collector(stream, work, register, SystemClock(), region="eu-central-1")
    begun, cpu = time.perf_counter(), time.process_time()
    _collect(collector, source, lines=lines)
    stream.flush()
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    return Run(stream.rows, stream.failed, seconds, cpu_s, stream.bytes, peak_rss_mb())


def _collect(collector: Collector, source: Path, *, lines: bool, first: bool = False) -> None:
    """Collect all, or the first payloads or lines to warm up."""
    if not lines:
        collector.collect_payloads(islice(read(source), WARM_UP) if first else read(source))
    elif first:
        with source.open("rb") as file:
            LineSource(collector, SystemClock()).ingest_stream(
                BytesIO(b"".join(islice(file, WARM_UP * EVENTS_A_PAYLOAD))), Origin("warm-up", "file"), "warm-up"
            )
    else:
        LineSource(collector, SystemClock()).ingest_file(source)


def peak_rss_mb(process: int | str = "self") -> float:
    """Answer the largest resident memory of a process so far (``ru_maxrss`` would count what it was forked from); 0 where it has ended."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024 if "VmHWM:" in status else 0.0


def read(source: Path) -> Iterator[bytes]:
    """Read payloads, each with its length before it (4 bytes, big-endian)."""
    with source.open("rb") as file:
        while head := file.read(4):
            yield file.read(int.from_bytes(head, "big"))


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("source", type=Path)
    asked.add_argument("folder", type=Path)
    for option in ("--lines", "--one-thread", "--redact", "--wait"):
        asked.add_argument(option, action="store_true")
    given = asked.parse_args()
    print(msgspec.json.encode(child(given.source, given.folder, lines=given.lines, one_thread=given.one_thread, redact=given.redact, wait=given.wait)).decode())
