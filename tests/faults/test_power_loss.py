"""Power is lost under a whole engine on a real file system: what was acknowledged is there after it, once, and a spool that does not sync is found out."""

import random
from pathlib import Path

import numpy as np
import pytest

from tailrace.ledger import open_ledger
from tailrace.settings import environment
from tests.faults.busy_opensearch import busy_opensearch
from tests.faults.children import Children, events_in_lake, loader
from tests.faults.loop import lacking, loop_disk

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "nothing is lacking")
LONGEST_LIFE_S = 1.5
"""Much shorter than the 30 s after which the kernel writes by itself what nobody synced."""


def lose_power(folder: Path, times: int, seed: int) -> None:
    """Let an engine run on a disk that loses power so often, and look that it has everything."""
    chance = random.Random(seed)
    with busy_opensearch() as there, loop_disk(folder) as disk, loader(disk.folder, there.url, folder / "acked") as children:
        for _ in range(times):
            assert children.run(seconds=chance.uniform(0.0, LONGEST_LIFE_S), from_ack=True, rate=5_000.0).status == 9
            disk.lose_power()
        assert children.run(finish=True, seconds=60.0).status == 0
        counts = events_in_lake(disk.folder)
        assert children.acknowledged > 0
        assert lost(children, disk.folder) == 0
        assert counts.max() == 1
        np.testing.assert_array_equal(there.stored[: len(counts)], counts > 0)
        check = open_ledger(disk.folder / "ledger.sqlite").check()
        assert check.balanced, check.problems


def lost(children: Children, home: Path) -> int:
    """Count the events that were acknowledged and are not in the lake."""
    counts = events_in_lake(home)
    return children.acknowledged - int(np.count_nonzero(counts[: children.acknowledged]))


@pytest.mark.timeout(300)
def test_five_power_losses_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    lose_power(tmp_path, 5, seed=1)


@pytest.mark.timeout(120)
def test_a_spool_that_does_not_sync_is_found_out(tmp_path: Path) -> None:
    with busy_opensearch() as there, loop_disk(tmp_path) as disk, loader(disk.folder, there.url, tmp_path / "acked") as children:
        children.run(seconds=0.5, from_ack=True, rate=5_000.0, synced=False)
        disk.lose_power()
        children.run(finish=True, seconds=60.0)
        assert lost(children, disk.folder) > 0


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_many_power_losses_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    lose_power(tmp_path, max(50, int(environment().get("SECONDS", "1800")) // 30), seed=2)
