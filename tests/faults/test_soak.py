"""Under load, with a fault every few seconds and SIGKILLs all along: nothing that was acknowledged is lost, nothing is there twice, the ledger is exact, and memory stays flat.

``make soak SECONDS=1800`` runs it long; the short form is one of the tests. What it did and found it writes to ``soak.json`` in the folder that ``TAILRACE_TEST_SOAK_FOLDER`` names.
"""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firehose.columns import compute
from firehose.keeper.account import lake_rows
from tailrace.lake import live_parts
from tailrace.ledger import open_ledger
from tailrace.settings import environment
from tailrace.stores.folder import FolderStore
from tests.faults.busy_opensearch import FAULTS, BusyOpenSearch, busy_opensearch
from tests.faults.loader import DISK_FAILS, DISK_FULL, Order
from tests.firehose.deliveries import ALWAYS, NOON_US

ROOT = Path(__file__).parents[2]
SHORT_S = 45.0
LOAD = 0.8
KILLS_AN_HOUR = 1_000
FAULT_EVERY_S = 20.0
MOST_RSS_MB = 512
ROWS = 500
LONG_S = 600.0
"""From here on lives are long enough to say something of memory."""


@dataclass
class Report:
    """What was done, and what was found."""

    seconds: float
    capacity: float = 0.0
    rate: float = 0.0
    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled_in_lake: int = 0
    missing_in_opensearch: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    rss_mb: list[float] = field(default_factory=list)
    duplicates_counted: int = 0


@dataclass
class Children:
    """The process that forks them."""

    process: "subprocess.Popen[str]"
    home: Path
    url: str

    def run(self, **more: Any) -> tuple[int, float]:
        """Run one until it is dead; answer its status and the most memory it had, in MB."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = Order(str(self.home), self.url, NOON_US, rows=ROWS, **more)
        self.process.stdin.write(json.dumps(asdict(order)) + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        return told["status"], told["rss_mb"]

    @property
    def acknowledged(self) -> int:
        """Events that were acknowledged."""
        path = self.home / "acked"
        return path.stat().st_size * ROWS if path.exists() else 0


@contextmanager
def loader(home: Path, url: str) -> Iterator[Children]:
    command = [sys.executable, "-m", "tests.faults.loader"]
    with subprocess.Popen(command, cwd=ROOT, env=dict(environment()), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Children(process, home, url)


class Faults:
    """Makes a fault every so often, in a thread of its own; those of the disk and of OpenSearch last a moment."""

    def __init__(self, home: Path, there: BusyOpenSearch, every_s: float, seed: int) -> None:
        self._home, self._there, self._every_s, self._chance = home, there, every_s, random.Random(seed)
        self.made: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._there.faults.clear()

    def _run(self) -> None:
        kinds = [*FAULTS, DISK_FULL, DISK_FAILS]
        order = kinds.copy()
        self._chance.shuffle(order)
        while not self._stop.wait(self._every_s):
            kind = order.pop() if order else self._chance.choice(kinds)
            self.made[kind] += 1
            if kind in FAULTS:
                self._there.faults.extend([kind] * self._chance.randint(1, 6))
                continue
            (self._home / kind).touch()
            self._stop.wait(min(self._every_s / 3, 3.0))
            (self._home / kind).unlink()


def soak(home: Path, seconds: float, *, seed: int = 1) -> Report:
    """Run it for so long, and look what is there."""
    report, chance = Report(seconds), random.Random(seed)
    scale = min(max(seconds, 30.0) / LONG_S, 1.0)
    with busy_opensearch() as there, loader(home, there.url) as children:
        first_s = max(8.0 * scale, 4.0)
        children.run(seconds=first_s)
        report.capacity = min(children.acknowledged, there.count()) / first_s
        report.rate = LOAD * report.capacity
        began = time.monotonic()
        with Faults(home, there, max(FAULT_EVERY_S * scale, 1.5), seed) as faults:
            while (left := began + seconds - time.monotonic()) > 0:
                life = chance.expovariate(1 / (3_600 / KILLS_AN_HOUR)) * max(scale, 0.4)
                wrong = chance.choice((0.0, 0.0, 0.0, -3_600.0, 86_400.0))
                status, rss = children.run(rate=report.rate, seconds=min(max(life, 0.05), left), clock_off_s=wrong, replay=chance.choice((0, 0, 5)))
                assert status == 9, f"a child ended by itself: {status}"
                report.kills, report.rss_mb = report.kills + 1, [*report.rss_mb, round(rss, 1)]
        report.faults = dict(faults.made)
        status, _ = children.run(finish=True, seconds=240.0)
        assert status == 0
        _look(home, there, children.acknowledged, report)
    return report


def _look(home: Path, there: BusyOpenSearch, acknowledged: int, report: Report) -> None:
    counts = _in_lake(home)
    report.acknowledged = acknowledged
    report.lost = int(np.count_nonzero(counts[:acknowledged] == 0))
    report.doubled_in_lake = int(np.count_nonzero(counts > 1))
    present = counts > 0
    stored = there.stored[: len(counts)]
    report.missing_in_opensearch = int(np.count_nonzero(present[: len(stored)] != stored)) + int(np.count_nonzero(there.stored[len(counts) :]))
    hops = {(hop.hop, hop.sink, hop.unit): hop for hop in open_ledger(home / "ledger.sqlite").hops()}
    report.duplicates_counted = hops["spool", "", "events"].duplicate
    there_are = int(np.count_nonzero(present))
    assert {hops["spool", "", "events"].went_out, hops["deliver", "lake", "events"].went_out, lake_rows(FolderStore(home / "lake"))["logs"]} == {there_are}
    delivered = hops["deliver", "opensearch", "events"]
    assert (delivered.went_out + delivered.duplicate, delivered.dead, delivered.lost, delivered.pending) == (there_are, 0, 0, 0)
    check = open_ledger(home / "ledger.sqlite").check()
    assert check.balanced, check.problems


def _in_lake(home: Path) -> npt.NDArray[np.int64]:
    """Count each event in the parts that count."""
    counts = np.zeros(1, np.int64)
    for part in live_parts(FolderStore(home / "lake"), "logs", *ALWAYS):
        ids = pq.ParquetFile(home / "lake" / part.key).read(["event_id"]).column("event_id")
        found = np.bincount(compute.cast(compute.utf8_slice_codeunits(ids, len("e-")), pa.int64()).to_numpy())
        longest = max(len(found), len(counts))
        counts = np.pad(counts, (0, longest - len(counts))) + np.pad(found, (0, longest - len(found)))
    return counts


def check(report: Report) -> None:
    """Hold a report against what is promised."""
    assert (report.lost, report.doubled_in_lake, report.missing_in_opensearch) == (0, 0, 0)
    assert report.acknowledged > 0
    assert report.kills > 0
    assert max(report.rss_mb) <= MOST_RSS_MB
    if report.seconds >= LONG_S:
        third = len(report.rss_mb) // 3
        assert max(report.rss_mb[-third:]) <= 1.1 * max(report.rss_mb[:-third])


@pytest.mark.timeout(600)
def test_load_faults_and_kills_for_a_while_lose_and_double_nothing(tmp_path: Path) -> None:
    check(soak(tmp_path, SHORT_S))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_load_faults_and_kills_for_long_lose_and_double_nothing(tmp_path: Path) -> None:
    report = soak(tmp_path, float(environment().get("SECONDS", "1800")))
    found = json.dumps(asdict(report), indent=1)
    Path(environment().get("TAILRACE_TEST_SOAK_FOLDER", str(tmp_path)), "soak.json").write_text(found)
    print(found)
    check(report)
