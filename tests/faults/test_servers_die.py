"""A real OpenSearch node and a real S3 server are killed in the middle, and started again on their data: each event is there once, and the health told it meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import opensearchpy
import pytest

from firehose import LocalFirehose
from firehose.disk import Machine
from firehose.keeper import Keeper
from firehose.keeper.verify import verify
from sandbox.checks import free_port, free_ports
from sandbox.servers.opensearch import start_opensearch
from sandbox.servers.pytest_plugin import or_skip
from sandbox.servers.running import RunningServer
from sandbox.servers.s3 import PORTS, start_s3
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.errors import TransientError
from tailrace.ledger import open_ledger
from tailrace.stores import open_store
from tests.faults.test_s3 import in_lake
from tests.firehose.deliveries import events, everything_delivered, numbers, quick

ROWS = 100
AGAIN_WITHIN_S = 120.0


class Restarted:
    """A server that is killed and started again."""

    def __init__(self, start: Callable[[], RunningServer]) -> None:
        self._start = start
        self.server = start()

    def kill(self) -> None:
        """End it as a power cut does: nothing is flushed, nobody is told."""
        self.server.process.kill()

    def start(self) -> None:
        """Start it again, on its port and its data."""
        self.server = self._start()


@contextmanager
def restarted(start: Callable[[], RunningServer]) -> Iterator[Restarted]:
    one = Restarted(start)
    try:
        yield one
    finally:
        one.kill()


class Feeder:
    """Puts numbered events in a thread of its own, a batch every few milliseconds, until it is told to stop."""

    def __init__(self, stream: LocalFirehose) -> None:
        self._stream, self.batches = stream, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Stop; answer how many events were acknowledged."""
        self._stop.set()
        self._thread.join()
        return self.batches * ROWS

    def wait_for(self, more: int) -> None:
        """Wait until so many more batches were acknowledged."""
        wait_until(lambda target=self.batches + more: self.batches >= target)  # type: ignore[misc] # a default is bound now

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self._stream.put(events(self.batches * ROWS, ROWS))
            self.batches += 1


def wait_until(true: Callable[[], bool], within_s: float = AGAIN_WITHIN_S) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def state_of(stream: LocalFirehose, sink: str) -> str:
    return next(str(one["state"]) for one in stream.status()["sinks"] if one["name"] == sink)


def assert_balanced(home: Path, sink: str, count: int) -> None:
    check = open_ledger(home / "ledger.sqlite").check()
    assert check.balanced, check.problems
    hop = next(one for one in check.hops if (one.hop, one.sink, one.unit) == ("deliver", sink, "events"))
    assert (hop.went_out, hop.duplicate, hop.dead, hop.pending) == (count, 0, 0, 0)


@pytest.mark.opensearch
@pytest.mark.timeout(600)
def test_a_node_of_opensearch_that_is_killed_and_started_again_has_each_event_once(tmp_path: Path) -> None:
    or_skip("opensearch")
    port = free_port()
    with restarted(lambda: start_opensearch(tmp_path / "node", port, heap="512m")) as node:
        with LocalFirehose(quick(tmp_path / "home", opensearch_url=node.server.url), SystemClock()) as stream:
            feeder = Feeder(stream)
            feeder.wait_for(30)
            wait_until(lambda: stream.status()["sinks"][1]["behind_rows"] < feeder.batches * ROWS)
            node.kill()
            wait_until(lambda: state_of(stream, "opensearch") == "failing")
            assert state_of(stream, "lake") == "up"
            feeder.wait_for(30)
            node.start()
            wait_until(lambda: state_of(stream, "opensearch") == "up")
            count = feeder.stop()
            assert everything_delivered(stream, AGAIN_WITHIN_S)
        assert_balanced(tmp_path / "home", "opensearch", count)
        client = opensearchpy.OpenSearch([node.server.url], timeout=60)
        client.indices.refresh(index="tailrace-logs-*")
        found = opensearchpy.helpers.scan(client, index="tailrace-logs-*", query={"_source": False}, size=5_000)
        assert sorted(hit["_id"] for hit in found) == numbers(count)


@pytest.mark.s3
@pytest.mark.timeout(300)
def test_an_s3_server_that_is_killed_in_a_merge_and_in_a_write_has_each_row_once(tmp_path: Path) -> None:
    or_skip("s3")
    ports = free_ports(PORTS)
    with restarted(lambda: start_s3(tmp_path / "s3", ports)) as server:
        settings = quick(tmp_path / "home", lake="s3://lake/a", lake_flush_after_s=0.2, aws_endpoint_url=server.server.url)
        aws.client("s3", settings).create_bucket(Bucket="lake")
        due = {"keeper.part_put", "lake.part_put"}

        def kill_at(point: str) -> None:
            if point in due and not (point == "lake.part_put" and "keeper.part_put" in due):
                due.remove(point)
                server.kill()

        with LocalFirehose(settings, SystemClock(), machine=Machine(probe=kill_at)) as stream:
            keeper = Keeper(settings, SystemClock(), merge_after_s=0.0, grace_s=0.0, probe=kill_at)
            feeder = Feeder(stream)
            wait_until(lambda: tried(keeper) and "keeper.part_put" not in due)
            wait_until(lambda: state_of(stream, "lake") == "failing")
            server.start()
            wait_until(lambda: "lake.part_put" not in due and state_of(stream, "lake") == "failing")
            server.start()
            wait_until(lambda: state_of(stream, "lake") == "up")
            count = feeder.stop()
            assert everything_delivered(stream, AGAIN_WITHIN_S)
            keeper.round(force=True)
            keeper.round()
        assert in_lake(settings) == numbers(count)
        assert verify(open_store(settings)).problems == []
        assert_balanced(tmp_path / "home", "lake", count)


def tried(keeper: Keeper) -> bool:
    """Let a keeper look once; it may fail, as its server may be dead."""
    try:
        keeper.round()
    except TransientError:
        return True
    return True
