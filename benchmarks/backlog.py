"""A start with a backlog of 5 GB in the spool: how long until puts are taken again, and how much memory that needs. Each start is a process of its own.

``python -m benchmarks.backlog HOME`` opens the spool of a home folder once and prints one JSON object.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from benchmarks.ingest_child import peak_rss_mb
from benchmarks.log_rows import delivery
from benchmarks.streams import DownSink
from firehose import LocalFirehose
from firehose.delivery import Delivery
from tailrace.clock import SystemClock
from tailrace.forms import arrow_schema
from tailrace.settings import Settings

BYTES: Final = 5_000_000_000
ROWS_A_PUT: Final = 20_000
TEXT_BYTES: Final = 600
MAX_BYTES: Final = 1 << 40
ROUNDS: Final = 3
CHILD: Final = (sys.executable, "-m", "benchmarks.backlog")


class Started(msgspec.Struct):
    """A start: seconds until puts are taken, resident memory before, after it, and after the threads of sinks have read on for a while, bytes and rows of the spool."""

    seconds: float
    before_mb: float
    after_mb: float
    later_mb: float
    bytes: int
    rows: int


def measure(size: int = BYTES, rounds: int = ROUNDS) -> list[Started]:
    """Fill a spool, start some times."""
    home = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    try:
        _fill(home, size)
        return [_start(home) for _ in range(rounds)]
    finally:
        shutil.rmtree(home)


def _fill(home: Path, size: int) -> None:
    """Put rows whose messages no compression shortens, each with an id of its own, while no sink takes them."""
    one = delivery(0, ROWS_A_PUT)
    random = np.random.default_rng(1)
    with _opened(home) as stream:
        number = 0
        while int(stream.status()["spool"]["bytes"]) < size:
            stream.put(_renewed(one, number * ROWS_A_PUT, random))
            number += 1


def _renewed(one: Delivery, first: int, random: np.random.Generator) -> Delivery:
    letters = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)
    text = letters[random.integers(0, 64, ROWS_A_PUT * TEXT_BYTES, np.uint8)].tobytes()
    offsets = (np.arange(ROWS_A_PUT + 1, dtype=np.int32) * TEXT_BYTES).tobytes()
    messages = pa.StringArray.from_buffers(ROWS_A_PUT, pa.py_buffer(offsets), pa.py_buffer(text))
    ids, names = pa.array([f"{first + n:056d}" for n in range(ROWS_A_PUT)]), arrow_schema("logs").names
    table = one.tables["logs"]
    for name, column in (("event_id", ids), ("message", messages)):
        table = table.set_column(names.index(name), arrow_schema("logs").field(name), column)
    return replace(one, tables={"logs": table})


def _opened(home: Path) -> LocalFirehose:
    return LocalFirehose(Settings(home=home, spool_max_bytes=MAX_BYTES), SystemClock(), sinks=[DownSink()])


def _start(home: Path) -> Started:
    done = subprocess.run([*CHILD, str(home)], capture_output=True, check=False, cwd=Path(__file__).parents[1])
    if done.returncode:
        raise SystemExit(f"a measurement failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Started)


def child(home: Path) -> Started:
    """Start once; the first put is part of it."""
    before, began = _rss_mb(), time.perf_counter()
    with _opened(home) as stream:
        stream.put(delivery(10**9 + time.time_ns() % 10**9, 1))
        seconds, after = time.perf_counter() - began, _rss_mb()
        time.sleep(1.0)
        spool = stream.status()["spool"]
        return Started(seconds, before, after, peak_rss_mb(), spool["bytes"], spool["rows"])


def _rss_mb() -> float:
    """Resident memory now."""
    return int(Path("/proc/self/status").read_text("ascii").split("VmRSS:")[1].split()[0]) / 1024


def section(starts: Sequence[Started]) -> str:
    """Write the section of the page."""
    seconds = sorted(one.seconds for one in starts)
    before, after, later = (statistics.median(getattr(one, name) for one in starts) for name in ("before_mb", "after_mb", "later_mb"))
    rows = [
        f"| until the first put is synced | **{statistics.median(seconds):.2f} s** | {seconds[0]:.2f} to {seconds[-1]:.2f} |",
        f"| resident memory, modules loaded; after the start; at most in the second after | **{before:.0f}, {after:.0f}, {later:.0f} MB** | |",
    ]
    how = f"""{starts[0].bytes / 1e9:.1f} GB in segments of 64 MiB with {starts[0].rows / 1e6:.1f} million rows that a sink that is down has left there. Each start is a process of its own; medians of {len(starts)}, the files are in the page cache as far as it
reaches. Of segments sizes are read; of the last one the torn end is looked for; of the newest the ids, a million. Aim: under 2 s."""
    return "\n".join(["## A start with a backlog", "", "| | median | smallest to largest |", "|---|---|---|", *rows, "", how])


if __name__ == "__main__":
    print(msgspec.json.encode(child(Path(sys.argv[1]))).decode())
