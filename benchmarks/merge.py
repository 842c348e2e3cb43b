"""Merging 1,000 parts of one hour: time, peak memory and what is left; in a process of its own.

``python -m benchmarks.merge HOME`` merges the lake of a home folder until there is nothing to merge, and prints one JSON object.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.ingest_child import peak_rss_mb
from benchmarks.log_rows import NOON_US, rows
from firehose.keeper import Keeper
from firehose.keeper.merge import source
from firehose.parts import rows_in, write_part
from tailrace.clock import SystemClock
from tailrace.lake import Part, fresh_name, live_parts, part_key, partition_of
from tailrace.settings import Settings
from tailrace.stores import open_store
from tailrace.stores.port import ObjectStore

PARTS: Final = 1_000
ROWS_A_PART: Final = 2_000
CHILD: Final = (sys.executable, "-m", "benchmarks.merge")


class Merging(msgspec.Struct):
    """What merging took, and what it left; memory in MB, ``idle_mb`` before the first part was read."""

    parts: int
    bytes: int
    rows: int
    seconds: float
    rounds: int
    read_rows: int
    idle_mb: float
    peak_mb: float
    left_parts: int
    left_bytes: int


def measure(parts: int = PARTS, each: int = ROWS_A_PART) -> Merging:
    """Write parts, merge them."""
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name:
        home = Path(name)
        write_parts(home, parts, each)
        done = subprocess.run([*CHILD, name], capture_output=True, check=False, cwd=Path(__file__).parents[1])
        if done.returncode:
            raise SystemExit(f"a measurement failed: {done.stderr.decode(errors='replace')[-2000:]}")
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=Merging)


def write_parts(home: Path, parts: int, each: int) -> None:
    """Write fresh parts of one hour, as the lake's sink does; times lie across each other, so that merging has to sort."""
    store, here = open_store(Settings(home=home)), partition_of(NOON_US)
    for number in range(parts):
        name = fresh_name("bench", 1, number, number + 1)
        store.put(part_key("logs", here, name), write_part(rows(number * each, each)).to_pybytes())


def child(home: Path) -> Merging:
    """Merge until nothing is left to merge."""
    settings = Settings(home=home)
    store = open_store(settings)
    keeper = Keeper(settings, SystemClock(), store=store)
    before, idle = _live(store), peak_rss_mb()
    began, rounds = time.perf_counter(), 0
    while keeper.round(force=True).parts:
        rounds += 1
    seconds, status, after = time.perf_counter() - began, keeper.status(), _live(store)
    return Merging(
        len(before),
        sum(part.size for part in before),
        sum(rows_in(source(store, part))[0] for part in after),
        seconds,
        rounds,
        status["merged_rows"],
        idle,
        peak_rss_mb(),
        len(after),
        sum(part.size for part in after),
    )


def _live(store: ObjectStore) -> Sequence[Part]:
    return live_parts(store, "logs", NOON_US, NOON_US + 1)


def section(found: Merging) -> str:
    """Write the section of the page."""
    rows = [
        f"| parts before, after | **{found.parts:,}, {found.left_parts}** |",
        f"| bytes of Parquet before, after | **{found.bytes / 1e6:.0f}, {found.left_bytes / 1e6:.0f} MB** |",
        f"| time, commits | **{found.seconds:.1f} s, {found.rounds}** |",
        f"| rows read, as a multiple of those there | **{found.read_rows / found.rows:.1f}** |",
        f"| peak memory; before the first part was read | **{found.peak_mb:.0f} MB; {found.idle_mb:.0f} MB** |",
    ]
    how = f"""One hour of {found.rows:,} log rows of 330 B in parts of {ROWS_A_PART:,}, merged by the keeper's rounds until there is nothing to merge, one process that does nothing else. What one merge reads is bounded (32 MiB of columns), so memory does not
grow with the parts. That answers stay the same meanwhile, `tests/firehose/test_reading_while_merging.py` tries."""
    return "\n".join(["## A merge of 1,000 parts", "", "| | |", "|---|---|", *rows, "", how])


if __name__ == "__main__":
    print(msgspec.json.encode(child(Path(sys.argv[1]))).decode())
