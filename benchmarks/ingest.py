"""CloudWatch payloads to Parquet in one process, beside Logprep doing the same, in turns.

``python -m benchmarks.ingest child KIND FILE FOLDER`` is one measurement of ours: gzip bytes in, through ``Collector.collect_payloads``, Parquet of the lake's columns out (zstd, bloom
filters on ids), a thread that reads and one that writes, no spool and no fsync. Each measurement is a process of its own, so that its peak memory is its own.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.payloads import EVENTS_A_PAYLOAD, LINES, payloads
from collectors.collector import Collector
from collectors.format_file import load_formats
from collectors.from_settings import work_with
from firehose.delivery import Delivery
from firehose.parts import by_hour, write_part
from tailrace.clock import SystemClock
from tailrace.fields import AttributeRegister

ROUNDS: Final = 5
LOGPREP: Final = "21.1.0"
PAYLOADS: Final = 1_000
PEER_PAYLOADS: Final = 50
"""Logprep gets fewer: it would take minutes. Its speed does not depend on how many there are."""

BYTES_A_FILE: Final = 32 * 1024 * 1024
"""Of columns in memory; about 40,000 application events, as many as Logprep's side writes at a time."""

PEER_KINDS: Final = ("app", "vpc", "alb")
WARM_UP: Final = 10
"""Payloads that go the whole way before the clock runs, on both sides."""

PEER: Final = Path(__file__).with_name("logprep_peer.py")


class Run(msgspec.Struct):
    """One measurement: ``bytes`` are those of the Parquet files."""

    events: int
    failed: int
    seconds: float
    cpu_s: float
    bytes: int
    peak_rss_mb: float


@dataclass(frozen=True, slots=True)
class Result:
    """Measurements of one side with one kind of lines."""

    side: str
    kind: str
    runs: Sequence[Run]

    def median(self, name: str) -> float:
        """Answer the median of ``events_s``, ``cpu_us`` (an event) or ``peak_rss_mb``."""
        return statistics.median(_figure(run, name) for run in self.runs)

    def spread(self, name: str) -> tuple[float, float]:
        """Answer the smallest and the largest of a figure."""
        figures = [_figure(run, name) for run in self.runs]
        return min(figures), max(figures)


def _figure(run: Run, name: str) -> float:
    figures = {
        "events_s": run.events / run.seconds,
        "cpu_us": run.cpu_s / run.events * 1e6,
        "peak_rss_mb": run.peak_rss_mb,
        "bytes_event": run.bytes / run.events,
    }
    return figures[name]


class ParquetFolder:
    """A delivery stream that writes parts of the lake, without a spool before it: one part at a time, in a thread of its own, while the next rows are read."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._waiting = folder, list[pa.Table]()
        self._writer, self._written = ThreadPoolExecutor(1), Future[None]()
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
        if self._waiting:
            self._written = self._writer.submit(self._write, pa.concat_tables(self._waiting))
            self._waiting = []

    def _write(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        self.failed += pc.sum(pc.equal(rows["parse_status"], "failed")).as_py()
        for _, part in by_hour(rows):
            buffer = write_part(part)
            (self._folder / f"{self._files}.parquet").write_bytes(buffer)
            self._files, self.bytes = self._files + 1, self.bytes + buffer.size


def child(source: Path, folder: Path) -> Run:
    """Measure once, from the first payload to the last byte written."""
    pa.set_cpu_count(1)
    formats = load_formats()
    register = AttributeRegister(declared=formats.declared())
    stream = ParquetFolder(folder)
    Collector(stream, work_with(formats, register), register, SystemClock()).collect_payloads(islice(read(source), WARM_UP))
    stream.flush()
    stream = ParquetFolder(folder)
    collector = Collector(stream, work_with(formats, register), register, SystemClock(), region="eu-central-1")
    begun, cpu = time.perf_counter(), time.process_time()
    collector.collect_payloads(read(source))
    stream.flush()
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    return Run(stream.rows, stream.failed, seconds, cpu_s, stream.bytes, peak_rss_mb())


def peak_rss_mb() -> float:
    """Answer the largest resident memory of this process (``ru_maxrss`` would count what it was forked from)."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def read(source: Path) -> Iterator[bytes]:
    """Read payloads, each with its length before it (4 bytes, big-endian)."""
    with source.open("rb") as file:
        while head := file.read(4):
            yield file.read(int.from_bytes(head, "big"))


def write_payloads(kind: str, count: int, path: Path) -> None:
    """Write payloads to a file."""
    with path.open("wb") as file:
        for payload in payloads(kind, count):
            file.write(len(payload).to_bytes(4, "big") + payload)


def measure(rounds: int = ROUNDS, kinds: Sequence[str] = tuple(LINES), count: int = PAYLOADS) -> tuple[list[Result], str]:
    """Measure all sides in turns; answer the results, and why Logprep is not among them (empty: it is)."""
    peer, reason = logprep_python()
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name:
        folder = Path(name)
        for kind in kinds:
            write_payloads(kind, count, folder / f"{kind}.payloads")
            if kind in PEER_KINDS:
                write_payloads(kind, PEER_PAYLOADS, folder / f"peer-{kind}.payloads")
        found: dict[tuple[str, str], list[Run]] = {}
        for _ in range(rounds):
            for kind in kinds:
                found.setdefault(("tailrace", kind), []).append(_run([sys.executable, "-m", "benchmarks.ingest", "child", kind], folder / f"{kind}.payloads"))
                if kind in PEER_KINDS and peer:
                    found.setdefault(("logprep", kind), []).append(_run([str(peer), str(PEER), kind], folder / f"peer-{kind}.payloads"))
    return [Result(side, kind, runs) for (side, kind), runs in found.items()], reason


def _run(command: list[str], source: Path) -> Run:
    folder = source.with_suffix(".out")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    done = subprocess.run([*command, str(source), str(folder)], capture_output=True, check=False, cwd=Path(__file__).parents[1])
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.decode()[-2000:]}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Run)


def logprep_python() -> tuple[Path | None, str]:
    """Answer the Python of an environment that has Logprep, made in the user's cache folder if it is not there; else why there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace"
    folder = cache / f"logprep-{LOGPREP}"
    python = folder / "bin" / "python"
    wanted = [f"logprep=={LOGPREP}", f"pyarrow=={pa.__version__}", "isal", "msgspec", "orjson"]
    if not python.exists():
        cache.mkdir(parents=True, exist_ok=True)
        uv = shutil.which("uv")
        steps = [[uv, "venv", "-q", "--python", sys.executable, str(folder)], [uv, "pip", "install", "-q", "--python", str(python), *wanted]]
        if uv is None:
            steps = [[sys.executable, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", "-q", *wanted]]
        for step in steps:
            done = subprocess.run([str(word) for word in step], capture_output=True, check=False)
            if done.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                return None, f"Logprep {LOGPREP} could not be installed: {done.stderr.decode(errors='replace').strip()[-300:]}"
    return python, ""


def events(count: int = PAYLOADS) -> int:
    """Answer how many events a measurement of ours takes in."""
    return count * EVENTS_A_PAYLOAD


if __name__ == "__main__":
    print(json.dumps(msgspec.to_builtins(child(Path(sys.argv[3]), Path(sys.argv[4])))))
