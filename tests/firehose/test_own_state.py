"""What a delivery stream says of itself: how old the oldest row is that a sink has not delivered, since when a sink fails, what was refused."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from firehose import LocalFirehose
from firehose.batches import Batch, Limits
from firehose.cursor import OutcomeRow
from firehose.dead_letters import DeadLetters
from firehose.delivery import Count, DeadLetter, Delivery
from firehose.disk import LocalDisk, Machine
from firehose.frame import NO_ROWS, START, Position, encode
from firehose.routes import only
from firehose.spool import Spool
from firehose.sums import Sums
from tailrace.clock import US_PER_S, ManualClock
from tailrace.errors import TransientError
from tailrace.ledger import Hop, Key, open_ledger, read_hops
from tests.firehose.deliveries import NOON_US, delivery_of, numbered, quick
from tests.firehose.test_delivery_stream import wait_for


@dataclass
class Patient:
    """A sink that takes so many batches, of one row each, and then is down."""

    name: str = "patient"
    takes: int = 0
    limits: Limits = field(default_factory=lambda: Limits(1, 1 << 20, 0.0))

    def attempt(self, batch: Batch, stem: str) -> Any:
        """Prepare a delivery."""
        del stem
        sink = self

        class Attempt:
            def run(self) -> tuple[OutcomeRow, ...]:
                if sink.takes <= 0:
                    raise TransientError("down")
                sink.takes -= 1
                return batch.outcome()

        return Attempt()


def open_stream(home: Path, *sinks: Any, clock: ManualClock, **more: Any) -> LocalFirehose:
    return LocalFirehose(quick(home), clock, sinks=sinks, machine=Machine(**more))


def row(number: int, ago_s: int) -> Delivery:
    """A row that was received so many seconds before noon."""
    return delivery_of(numbered(number, 1), received_us=NOON_US - ago_s * US_PER_S)


def sink_of(stream: LocalFirehose) -> dict[str, Any]:
    found: dict[str, Any] = stream.status()["sinks"][0]
    return found


def test_the_age_is_that_of_the_first_row_that_the_sink_has_not_passed(tmp_path: Path) -> None:
    clock, sink = ManualClock(NOON_US), Patient()
    with open_stream(tmp_path, sink, clock=clock) as stream:
        assert sink_of(stream)["oldest_age_s"] == 0
        for number, ago_s in enumerate((7, 5, 3)):
            stream.put(row(number, ago_s))
        assert sink_of(stream)["oldest_age_s"] == 7
        clock.sleep(10)
        assert sink_of(stream)["oldest_age_s"] == 17
        sink.takes = 1
        assert wait_for(lambda: sink_of(stream)["behind_rows"] == 2)
        assert sink_of(stream)["oldest_age_s"] == 15
        sink.takes = 2
        assert wait_for(lambda: sink_of(stream)["behind_rows"] == 0)
        assert sink_of(stream)["oldest_age_s"] == 0


def test_the_age_outlives_a_restart_and_is_never_negative(tmp_path: Path) -> None:
    with open_stream(tmp_path, Patient(), clock=ManualClock(NOON_US)) as stream:
        stream.put(row(0, 7))
    with open_stream(tmp_path, Patient(), clock=ManualClock(NOON_US + US_PER_S)) as stream:
        assert sink_of(stream)["oldest_age_s"] == 8
    with open_stream(tmp_path, Patient(), clock=ManualClock(NOON_US - 60 * US_PER_S)) as stream:
        assert sink_of(stream)["oldest_age_s"] == 0


def test_frames_that_hold_no_row_for_the_sink_do_not_count(tmp_path: Path) -> None:
    cold: Any = {"logs": pa.array([only("cold", "route:debug")], pa.string())}
    with open_stream(tmp_path, Patient("opensearch"), clock=ManualClock(NOON_US)) as stream:
        stream.put(Delivery("nothing", NOON_US - 9 * US_PER_S, counts=(Count("decode", "payloads", 1, 0, {"control message": 1}),)))
        stream.put(Delivery("a", NOON_US - 8 * US_PER_S, {"logs": numbered(0, 1)}, (Count("collect", "events", 1, 1),), routes=cold))
        assert sink_of(stream)["oldest_age_s"] == 0
        stream.put(row(1, 4))
        stream.put(row(2, 3))
        assert sink_of(stream)["oldest_age_s"] == 4


class CountingDisk(LocalDisk):
    """Counts how often a segment is opened."""

    opened = 0

    def open(self, path: Path) -> Any:
        self.opened += path.name.startswith("segment-")
        return super().open(path)


def test_the_head_of_the_oldest_row_is_read_once(tmp_path: Path) -> None:
    disk, sink = CountingDisk(), Patient()
    with open_stream(tmp_path, sink, clock=ManualClock(NOON_US), disk=disk) as stream:
        stream.put(row(0, 7))
        assert wait_for(lambda: sink_of(stream)["failures"] > 0)
        assert stream.flush()  # the ledger has it; a sink that is down is not waited for
        before = disk.opened
        assert {sink_of(stream)["oldest_age_s"] for _ in range(20)} == {7}
        assert disk.opened == before


def test_a_sink_fails_since_the_first_failure_in_a_row(tmp_path: Path) -> None:
    clock, sink = ManualClock(NOON_US), Patient()
    with open_stream(tmp_path, sink, clock=clock) as stream:
        assert sink_of(stream)["failing_s"] == 0
        stream.put(row(0, 0))
        assert wait_for(lambda: sink_of(stream)["failures"] >= 1)
        clock.sleep(30)
        assert wait_for(lambda: sink_of(stream)["failures"] >= 3)
        assert sink_of(stream)["failing_s"] == 30
        sink.takes = 1
        assert wait_for(lambda: sink_of(stream)["state"] == "up")
        assert sink_of(stream)["failing_s"] == 0


def test_what_a_full_spool_refused_is_told_until_it_takes_something(tmp_path: Path) -> None:
    clock = ManualClock(NOON_US)
    with LocalFirehose(quick(tmp_path, spool_max_bytes=20_000), clock, sinks=[Patient()]) as stream:
        assert (stream.status()["spool"]["error"], stream.status()["spool"]["refused_ago_s"]) == ("", None)
        with pytest.raises(TransientError, match="the spool is full"):
            stream.put(delivery_of(numbered(0, 5_000)))
        clock.sleep(5)
        spool = stream.status()["spool"]
        assert ("the spool is full" in spool["error"], spool["refused_ago_s"], spool["refused"]) == (True, 5, 1)
        stream.put(row(0, 0))
        assert stream.status()["spool"]["error"] == ""


def test_a_segment_that_is_deleted_while_it_is_looked_for_is_no_hole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Machine(segment_bytes=1), max_bytes=1 << 20, new_identity=lambda: "0123456789abcdef")
    for number in range(3):
        with spool.lock:
            ticket = spool.enqueue(encode(row(number, 9 - number), {}, {}), lambda: None)
        spool.commit(ticket)
    (tmp_path / "segment-00000001.log").unlink()
    assert spool.first(START, lambda head: True) == (Position(2, 0), NOON_US - 8 * US_PER_S)
    spool.remove_before(Position(3, 0))
    assert spool.first(START, lambda head: head.totals > NO_ROWS) == (Position(3, 0), NOON_US - 7 * US_PER_S)
    assert spool.first(START, lambda head: False) is None
    assert spool.counts.holes == 0
    spool.close()


def test_dead_letters_are_counted_with_their_bytes_through_writing_and_dropping(tmp_path: Path) -> None:
    dead, other = DeadLetters(tmp_path / "dead"), DeadLetters(tmp_path / "dead")
    assert dead.usage() == (0, 0)
    for place, count in (("a", 2), ("b", 3), ("a", 1)):
        other.write(place, [DeadLetter("payload", "bad", b"x" * number) for number in range(count)], time_us=NOON_US)
        assert dead.usage() == (sum(1 for _ in dead.rows(10)), sum(path.stat().st_size for path in (tmp_path / "dead").glob("*.jsonl")))
    assert dead.count() == 4
    assert other.drop("b-1")
    assert dead.count() == 3
    assert other.drop("a-0")
    assert dead.count() == 2


def test_the_sums_follow_the_ledger_through_rows_dead_letters_restarts_and_sinks_that_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    letter = [DeadLetter("payload", "bad", b"x")]
    for turn, sinks in enumerate(([Patient("a", 3)], [Patient("a", 99), Patient("b", 1)], [Patient("b", 99)])):
        with open_stream(tmp_path, *sinks, clock=ManualClock(NOON_US)) as stream:
            assert stream.hops() == read_hops(path)
            for number in range(4):
                stream.put(delivery_of(numbered(turn * 10 + number // 2, 1), source=f"s{number}", dead=letter, received_us=NOON_US + number * 90 * US_PER_S))
            assert stream.flush()
            assert wait_for(lambda stream=stream: stream.hops() == read_hops(path))
            assert {hop.hop for hop in stream.hops()} == {"decode", "collect", "spool", "deliver"}
    assert open_ledger(path).check().balanced


def test_the_ledger_is_added_up_once_and_again_after_a_change_that_is_not_known() -> None:
    asked, key = list[int](), Key("s", 0, "deliver", "lake", "events")

    def read() -> list[Hop]:
        asked.append(1)
        return [Hop("deliver", "lake", "events", 5, 4, 1, 0, 0, 0, 0, 0)]

    sums = Sums(read)
    with sums.following({key: [9] * 7}):
        """What is applied before the first question is in the ledger that is read."""
    assert sums.hops() == read()
    with sums.following({key: [1, 2, 0, 0, 0, 0, 0], Key("s", 0, "decode", "", "payloads"): [3, 2, 1, 0, 0, 0, 0]}):
        pass
    with pytest.raises(OSError, match="full"), sums.following({key: [9] * 7}):
        raise OSError("full")
    assert sums.hops() == [Hop("decode", "", "payloads", 3, 2, 0, 1, 0, 0, 0, 0), Hop("deliver", "lake", "events", 6, 6, 0, 0, 0, 0, 0, 0)]
    assert len(asked) == 2
    with sums.forgetting():
        pass
    assert (sums.hops(), len(asked)) == ([Hop("deliver", "lake", "events", 5, 4, 1, 0, 0, 0, 0, 0)], 3)
