"""Runs engines that are killed (``tests.faults.loader``), and counts what they left."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from firehose.columns import compute
from tailrace.lake import live_parts
from tailrace.settings import environment
from tailrace.stores.folder import FolderStore
from tests.faults.loader import Order, Told
from tests.firehose.deliveries import ALWAYS, NOON_US

ROOT = Path(__file__).parents[2]
ROWS = 500
"""Events in a batch."""


@dataclass
class Children:
    """The process that forks them."""

    process: "subprocess.Popen[str]"
    home: Path
    url: str
    acked: Path

    def run(self, **more: Any) -> Told:
        """Run one until it is dead; answer what became of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = Order(str(self.home), self.url, str(self.acked), NOON_US, rows=ROWS, **more)
        self.process.stdin.write(json.dumps(asdict(order)) + "\n")
        self.process.stdin.flush()
        return Told(**json.loads(self.process.stdout.readline()))

    @property
    def acknowledged(self) -> int:
        """Events that were acknowledged."""
        return self.acked.stat().st_size * ROWS if self.acked.exists() else 0


@contextmanager
def loader(home: Path, url: str, acked: Path) -> Iterator[Children]:
    """Run the process that forks; ``acked`` is where children note what was acknowledged."""
    command = [sys.executable, "-m", "tests.faults.loader"]
    with subprocess.Popen(command, cwd=ROOT, env=dict(environment()), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Children(process, home, url, acked)


def events_in_lake(home: Path) -> npt.NDArray[np.uint8]:
    """Count each event in the parts that count: entry ``n`` is how often event ``n`` is there (255 may be more). Memory: a byte an event, and one part's ids."""
    counts = np.zeros(1 << 20, np.uint8)
    for part in live_parts(FolderStore(home / "lake"), "logs", *ALWAYS):
        ids = pq.ParquetFile(home / "lake" / part.key).read(["event_id"]).column("event_id")
        numbers = compute.cast(compute.utf8_slice_codeunits(ids, len("e-")), pa.int64()).to_numpy()
        found, times = np.unique(numbers, return_counts=True)
        if found[-1] >= len(counts):
            counts = np.pad(counts, (0, int(found[-1])))
        counts[found] = np.minimum(counts[found] + times, 255)
    return np.trim_zeros(counts, "b")
