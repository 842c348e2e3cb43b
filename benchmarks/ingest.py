"""CloudWatch payloads to Parquet beside Logprep doing the same, in turns; and what one thread, two processes, redaction and hostile lines cost.

Each measurement is a process of its own (``benchmarks.ingest_child``, ``logprep_peer.py``), so that its peak memory is its own.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec
import pyarrow as pa

from benchmarks.ingest_child import Run
from benchmarks.payloads import EVENTS_A_PAYLOAD, LINES, payloads
from benchmarks.peer_python import peer_python

ROUNDS: Final = 5
LOGPREP: Final = "21.1.0"
PAYLOADS: Final = 1_000
PEER_PAYLOADS: Final = 50
"""Logprep gets fewer: it would take minutes. Its speed does not depend on how many there are."""

PEER_KINDS: Final = ("app", "vpc", "alb")
PEER_SIDES: Final = {"logprep": (), "logprep typed": ("--typed",)}
VARIANTS: Final = {"one thread": ("--one-thread",), "redaction": ("--redact",), "two processes": ("--one-thread", "--wait"), "hostile": ()}
"""Sides beside Tailrace as it is, with the kinds of :data:`PEER_KINDS`."""

CHILD: Final = (sys.executable, "-m", "benchmarks.ingest_child")
PEER: Final = Path(__file__).with_name("logprep_peer.py")


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


def measure(rounds: int = ROUNDS, kinds: Sequence[str] = tuple(LINES), count: int = PAYLOADS) -> tuple[list[Result], str]:
    """Measure all sides in turns; answer the results, and why Logprep is not among them (empty: it is)."""
    peer, reason = logprep_python()
    with tempfile.TemporaryDirectory(prefix="tailrace-bench-") as name:
        folder = Path(name)
        for kind in kinds:
            write_payloads(kind, count, folder / f"{kind}.payloads")
            if kind in PEER_KINDS:
                write_payloads(kind, PEER_PAYLOADS, folder / f"peer-{kind}.payloads")
                write_payloads(kind, count, folder / f"hostile-{kind}.payloads", hostile=True)
        found: dict[tuple[str, str], list[Run]] = {}
        for _ in range(rounds):
            for kind in kinds:
                found.setdefault(("tailrace", kind), []).append(run_child([*CHILD], folder / f"{kind}.payloads"))
                if kind in PEER_KINDS and peer:
                    for side, options in PEER_SIDES.items():
                        found.setdefault((side, kind), []).append(run_child([str(peer), str(PEER), *options, kind], folder / f"peer-{kind}.payloads"))
                for side in VARIANTS if kind in PEER_KINDS else ():
                    found.setdefault((side, kind), []).append(_variant(side, kind, folder))
    return [Result(side, kind, runs) for (side, kind), runs in found.items()], reason


def _variant(side: str, kind: str, folder: Path) -> Run:
    command, source = [*CHILD, *VARIANTS[side]], folder / f"{kind}.payloads"
    if side == "two processes":
        return _two(command, source)
    return run_child(command, folder / f"hostile-{kind}.payloads" if side == "hostile" else source)


def run_child(command: list[str], source: Path) -> Run:
    """Measure once, in a process of its own."""
    done = _start(command, source)
    out, error = done.communicate()
    return _read(done, out, error)


def _two(command: list[str], source: Path) -> Run:
    """Measure two processes that begin at once, each with all of the payloads."""
    both = [_start(command, source, f"{number}") for number in (1, 2)]
    for one in both:
        _line(one.stdout)
    for one in both:
        assert one.stdin is not None
        one.stdin.write(b"\n")
        one.stdin.flush()
    runs = [_read(one, *one.communicate()) for one in both]
    sums = {name: sum(getattr(run, name) for run in runs) for name in ("events", "failed", "cpu_s", "bytes")}
    return Run(seconds=max(run.seconds for run in runs), peak_rss_mb=max(run.peak_rss_mb for run in runs), **sums)


def _start(command: list[str], source: Path, mark: str = "") -> "subprocess.Popen[bytes]":
    folder = source.with_suffix(f".out{mark}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, str(source), str(folder)], stdin=pipe, stdout=pipe, stderr=pipe, cwd=Path(__file__).parents[1])


def _line(stream: IO[bytes] | None) -> bytes:
    return stream.readline() if stream else b""


def _read(done: "subprocess.Popen[bytes]", out: bytes, error: bytes) -> Run:
    if done.returncode:
        raise SystemExit(f"a measurement failed: {error.decode(errors='replace')[-2000:]}")
    return msgspec.json.decode(out.splitlines()[-1], type=Run)


def write_payloads(kind: str, count: int, path: Path, *, hostile: bool = False) -> None:
    """Write payloads to a file, each with its length before it (4 bytes, big-endian)."""
    with path.open("wb") as file:
        for payload in payloads(kind, count, hostile=hostile):
            file.write(len(payload).to_bytes(4, "big") + payload)


def logprep_python() -> tuple[Path | None, str]:
    """Answer the Python of an environment that has Logprep; else why there is none."""
    return peer_python(f"logprep-{LOGPREP}", [f"logprep=={LOGPREP}", f"pyarrow=={pa.__version__}", "isal", "msgspec", "orjson"])


def events(count: int = PAYLOADS) -> int:
    """Answer how many events a measurement of ours takes in."""
    return count * EVENTS_A_PAYLOAD
