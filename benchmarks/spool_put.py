"""The spool beside SQLite and LMDB: batches taken durably, one sync each, on one disk, sides in turns, each measurement a process of its own (``spool_child``, ``spool_peers``)."""

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.peer_python import peer_python
from benchmarks.spool_peers import SHAPES

ROUNDS: Final = 5
LMDB: Final = "3.0.0"
CHILD: Final = (sys.executable, "-m", "benchmarks.spool_child")
LONG_BYTES: Final = 4_096
PEERS: Final = Path(__file__).with_name("spool_peers.py")
OURS: Final = {"frames": "the spool, bare", "rows": "`LocalFirehose.put` of rows"}
THEIRS: Final = {
    "sqlite rows": "SQLite, a row a record",
    "sqlite": "SQLite, a value a batch",
    "lmdb rows": "LMDB, a key a record",
    "lmdb": "LMDB, a value a batch",
}


class Taken(msgspec.Struct):
    """One measurement: seconds and CPU-seconds that putting took."""

    seconds: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Side:
    """The measurements of one side with one shape of batches."""

    name: str
    shape: str
    runs: Sequence[Taken]

    @property
    def unit(self) -> float:
        """What a batch is: megabytes where records are long, else events."""
        size, each, _ = SHAPES[self.shape]
        return size * each / 1e6 if size > LONG_BYTES else each

    @property
    def rates(self) -> list[float]:
        """Megabytes or events a second, least first."""
        return sorted(SHAPES[self.shape][2] * self.unit / run.seconds for run in self.runs)

    @property
    def cpu_us(self) -> float:
        """CPU time of a record in microseconds."""
        _, each, count = SHAPES[self.shape]
        return statistics.median(run.cpu_s for run in self.runs) / (each * count) * 1e6


def measure(rounds: int = ROUNDS, shapes: Sequence[str] = tuple(SHAPES)) -> tuple[list[Side], str]:
    """Measure all sides in turns; answer the results, and why LMDB is not among them (empty: it is)."""
    peer, reason = peer_python(f"lmdb-{LMDB}", [f"lmdb=={LMDB}"])
    theirs = [side for side in THEIRS if peer or side.startswith("sqlite")]
    found: dict[tuple[str, str], list[Taken]] = {}
    for _ in range(rounds):
        for shape in shapes:
            for side in (*OURS, *theirs):
                command = [*CHILD] if side in OURS else [str(peer or sys.executable), str(PEERS)]
                found.setdefault((side, shape), []).append(_run([*command, side, shape]))
    return [Side(side, shape, runs) for (side, shape), runs in found.items()], reason


def _run(command: list[str]) -> Taken:
    folder = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    try:
        done = subprocess.run([*command, str(folder)], capture_output=True, check=False, cwd=Path(__file__).parents[1])
        if done.returncode:
            raise SystemExit(f"a measurement failed: {done.stderr.decode(errors='replace')[-2000:]}")
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=Taken)
    finally:
        shutil.rmtree(folder)


def section(sides: Sequence[Side], reason: str) -> str:
    """Write the section of the page."""
    names = {**OURS, **THEIRS}
    rows = [_row(name, [side for side in sides if side.name == key]) for key, name in names.items() if any(side.name == key for side in sides)]
    units = " | ".join(f"{'MB/s' if size > LONG_BYTES else 'events/s'}, {shape}" for shape, (size, _, _) in SHAPES.items())
    counts = ", ".join(f"{count} batches of {each:,} records of {size:,} B" for size, each, count in SHAPES.values())
    how = f"""Medians of {len(sides[0].runs)}, least to most; sides in turns, each a process of its own, in folders of one disk. {counts}, of random bytes, so that nobody gains by compression; one thread, and each batch
is durable before the next is put: one fdatasync for us, one for SQLite (WAL, `synchronous=FULL`; it writes again at checkpoints), LMDB syncs a transaction and its page of roots. The spool adds a head, 8 bytes of id
a record and two CRC-32, by which a torn end is known; the peers add their trees. `LocalFirehose.put` does more: it counts, hashes ids, drops duplicates and writes Arrow columns."""
    aims = f"Aims: 300 MB/s, 300,000 events/s, and faster than both. The bare spool against the faster form of each: {_against(sides)}."
    head = ["## The spool beside SQLite and LMDB", "", f"| | {units} | CPU, a record |", f"|---|{'---|' * len(SHAPES)}---|"]
    return "\n".join([*head, *rows, "", how, "", aims, *(["", reason] if reason else [])])


def _row(name: str, sides: Sequence[Side]) -> str:
    figures = " | ".join(f"**{statistics.median(side.rates):,.0f}** ({side.rates[0]:,.0f} to {side.rates[-1]:,.0f})" for side in sides)
    return f"| {name} | {figures} | {', '.join(f'{side.cpu_us:.1f}' for side in sides)} us |"


def _against(sides: Sequence[Side]) -> str:
    said = []
    for shape in SHAPES:
        medians = {side.name: statistics.median(side.rates) for side in sides if side.shape == shape}
        for peer, sign in (("SQLite", "sqlite"), ("LMDB", "lmdb")):
            if theirs := [rate for name, rate in medians.items() if name.startswith(sign)]:
                said.append(f"{medians['frames'] / max(theirs):.1f} times {peer} ({shape})")
    return ", ".join(said)
