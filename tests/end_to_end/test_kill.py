"""Killed at any point and started again, nothing is lost and nothing is there twice."""

import json
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opensearchpy
import pytest

from firehose.dead_letters import DeadLetters
from firehose.disk import CRASH_POINTS
from firehose.keeper.account import lake_rows
from tailrace.ledger import Hop, open_ledger
from tailrace.settings import environment
from tailrace.stores.folder import FolderStore
from tests.end_to_end.ingest_zygote import BATCH
from tests.firehose.deliveries import NOON_US, lake_column, numbers
from tests.firehose.fake_opensearch import fake_opensearch

ROOT = Path(__file__).parents[2]
POISON = "77"


@dataclass
class Zygote:
    """The process that forks the children."""

    process: "subprocess.Popen[str]"
    home: Path
    url: str
    at_us: int = NOON_US

    def run(self, **order: Any) -> int:
        """Run one child until it is dead; answer its status."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {"home": str(self.home), "url": self.url, "at_us": self.at_us, "kill_after_s": 15.0, "seed": 0, **order}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(json.loads(self.process.stdout.readline())["status"])

    @property
    def acked(self) -> int:
        """Batches that were acknowledged."""
        return (self.home / "acked").stat().st_size


@contextmanager
def zygote(home: Path, url: str, at_us: int = NOON_US) -> Iterator[Zygote]:
    command = [sys.executable, "-m", "tests.end_to_end.ingest_zygote"]
    with subprocess.Popen(command, cwd=ROOT, env=dict(environment()), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Zygote(process, home, url, at_us)


def kill_often(children: Zygote, times: int, seed: int, **more: Any) -> None:
    """Kill at each named point, or at some, and else at a random moment: of the start, or after something was acknowledged."""
    chance = random.Random(seed)
    points = [point for point in CRASH_POINTS for _ in range(times * 2 // 3 // len(CRASH_POINTS))] or chance.sample(CRASH_POINTS, times // 2)
    orders: list[dict[str, Any]] = [{"point": point, "nth": chance.randint(1, 3)} for point in points]
    orders += [{"kill_after_s": chance.uniform(0.0, 0.6), "from_ack": chance.random() < 0.7} for _ in range(times - len(orders))]
    chance.shuffle(orders)
    for number, order in enumerate(orders):
        assert children.run(**order, **more, seed=number) == 9, order
    assert children.run(finish=True, kill_after_s=90.0) == 0


def hop(home: Path, name: str, sink: str = "", unit: str = "events") -> Hop:
    return next(one for one in open_ledger(home / "ledger.sqlite").hops() if (one.hop, one.sink, one.unit) == (name, sink, unit))


def check_ledger_and_lake(children: Zygote) -> int:
    """Check what does not depend on the OpenSearch used; answer how many events there were."""
    home, count = children.home, children.acked * BATCH
    found = sorted(lake_column(home))
    extra = len(found) - count  # the last batch may be durable and not acknowledged: the kill came between
    assert extra in {0, BATCH}
    assert found == numbers(count + extra)
    check = open_ledger(home / "ledger.sqlite").check()
    assert check.balanced, check.problems
    assert hop(home, "spool").went_out == hop(home, "deliver", "lake").went_out == len(found)
    assert all(one.pending == 0 for one in check.hops)
    assert lake_rows(FolderStore(home / "lake"))["logs"] == len(found)
    return len(found)


def dead_bodies(home: Path, kind: str) -> list[bytes]:
    letters = DeadLetters(home / "dead")
    found = [letters.get(str(row["id"])) for row in letters.rows(100_000) if row["kind"] == kind]
    return sorted(letter.body for letter in found if letter is not None)


@pytest.mark.timeout(900)
def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    with fake_opensearch() as fake, zygote(tmp_path, fake.url) as children:
        fake.poison_ending = POISON
        kill_often(children, 50, seed=zlib.crc32(b"kill"))
        count = check_ledger_and_lake(children)
        expected = numbers(count)
        assert fake.ids() == [one for one in expected if not one.endswith(POISON)]
        refused = sorted(json.loads(body)["event_id"] for body in dead_bodies(tmp_path, "document"))
        assert refused == [one for one in expected if one.endswith(POISON)]
        payloads = dead_bodies(tmp_path, "payload")  # one that was put again, for want of an acknowledgement, is there again: bytes have no id
        assert set(payloads) == {b"\x00" + str(n).encode() for n in range(0, count // BATCH, 7)}
        assert hop(tmp_path, "decode", unit="payloads").dead == len(payloads)
        delivered = hop(tmp_path, "deliver", "opensearch")
        assert (delivered.went_out, delivered.dead, delivered.duplicate) == (len(fake.documents), len(refused), 0)
    hits = set((tmp_path / "hits").read_text().split())
    assert hits == set(CRASH_POINTS), f"never killed at {set(CRASH_POINTS) - hits}"


@pytest.mark.timeout(600)
def test_kills_change_no_events_way(tmp_path: Path) -> None:
    with fake_opensearch() as fake, zygote(tmp_path, fake.url) as children:
        kill_often(children, 14, seed=3, routed=True)
        found = sorted(lake_column(tmp_path))
        everything = numbers(hop(tmp_path, "spool").went_out)
    assert len(everything) >= children.acked * BATCH
    assert found == [one for one in everything if not one.endswith("1")]
    assert fake.ids() == [one for one in everything if not one.endswith("0")]
    check = open_ledger(tmp_path / "ledger.sqlite").check()
    assert check.balanced, check.problems
    for sink, there in (("lake", len(found)), ("opensearch", len(fake.documents))):
        delivered = hop(tmp_path, "deliver", sink)
        assert (delivered.went_out, delivered.dropped, delivered.pending) == (there, len(everything) - there, 0)


@pytest.mark.opensearch
@pytest.mark.timeout(900)
def test_a_real_opensearch_holds_each_event_once_after_kills(tmp_path: Path, opensearch_url: str) -> None:
    client = opensearchpy.OpenSearch([opensearch_url], timeout=60)
    client.indices.delete(index="tailrace-logs-2031.*")
    with zygote(tmp_path, opensearch_url, at_us=1_930_000_000_000_000) as children:
        kill_often(children, 17, seed=2)
        count = check_ledger_and_lake(children)
    client.indices.refresh(index="tailrace-logs-2031.*")
    found = [hit["_id"] for hit in opensearchpy.helpers.scan(client, index="tailrace-logs-2031.*", query={"_source": False}, size=5_000)]
    client.indices.delete(index="tailrace-logs-2031.*")
    assert sorted(found) == numbers(count)
