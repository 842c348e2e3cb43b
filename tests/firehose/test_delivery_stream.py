"""LocalFirehose as a whole: acknowledgement, back-pressure, restarts, sinks that come and go, and the ledger that says so."""

import errno
import resource
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firehose import LocalFirehose
from firehose.batches import Batch, Limits
from firehose.clerk import Clerk
from firehose.cursor import SLOT_BYTES, Cursor, OutcomeRow, SinkState, load
from firehose.delivery import Count, DeadLetter, Delivery
from firehose.disk import LocalDisk, Machine
from firehose.frame import START, Position
from firehose.parts import by_hour
from firehose.sinks.lake.sink import LakeSink
from tailrace.clock import SystemClock
from tailrace.errors import PermanentError, StateError, TransientError
from tailrace.ledger import Hop, open_ledger
from tailrace.stores.folder import FolderStore
from tests.firehose.deliveries import NOON_US, delivery_of, events, lake_column, numbered, numbers, quick, table_of


@dataclass
class MemorySink:
    """Keeps event ids; raises what it is told to, once each; ``down`` is a sink that is not there."""

    name: str = "memory"
    limits: Limits = field(default_factory=lambda: Limits(1_000, 1 << 20, 0.01))
    ids: list[str] = field(default_factory=list)
    raises: list[Exception] = field(default_factory=list)
    down: bool = False
    stems: list[str] = field(default_factory=list)

    def attempt(self, batch: Batch, stem: str) -> Any:
        """Prepare a delivery."""
        sink = self

        class Attempt:
            def run(self) -> tuple[OutcomeRow, ...]:
                sink.stems.append(stem)
                if sink.down:
                    raise TransientError("down")
                if sink.raises:
                    raise sink.raises.pop(0)
                for name in batch.tables:
                    sink.ids += [str(one) for one in batch.table(name).column("event_id").to_pylist()]
                return batch.outcome()

        return Attempt()


def lake_of(home: Path) -> LakeSink:
    return LakeSink(FolderStore(home / "lake"), flush_after_s=0.02, flush_bytes=1 << 26)


def open_stream(home: Path, *sinks: Any, machine: Machine | None = None, **more: Any) -> LocalFirehose:
    return LocalFirehose(quick(home, **more), SystemClock(), sinks=[lake_of(home), *sinks], machine=machine)


def hops(home: Path) -> dict[tuple[str, str, str], Hop]:
    return {(hop.hop, hop.sink, hop.unit): hop for hop in open_ledger(home / "ledger.sqlite").hops()}


def wait_for(condition: Any, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


def fill(stream: LocalFirehose) -> int:
    """Put hundreds of events until the spool is full; answer how many it took."""
    for count in range(10_000):
        try:
            stream.put(events(count * 100, 100))
        except TransientError as error:
            assert "the spool is full" in str(error)
            return count
    return -1


def balanced(home: Path) -> bool:
    return open_ledger(home / "ledger.sqlite").check().balanced


def test_what_is_put_is_in_the_lake_within_two_seconds_and_at_once_after_a_flush(tmp_path: Path) -> None:
    with LocalFirehose(quick(tmp_path, lake_flush_after_s=1.0), SystemClock()) as stream:
        stream.put(events(0, 10))
        assert wait_for(lambda: len(lake_column(tmp_path)) == 10, 2.0)
        stream.put(events(10, 10))
        began = time.monotonic()
        assert stream.flush()
        assert time.monotonic() - began < 0.9
        assert sorted(lake_column(tmp_path)) == numbers(20)
        stream.put(Delivery("nothing", 0))
    assert balanced(tmp_path)


def test_rows_that_were_there_are_dropped_and_counted_also_after_a_restart(tmp_path: Path) -> None:
    machine = Machine(segment_bytes=500)
    with open_stream(tmp_path, machine=machine) as stream:
        stream.put(events(0, 10))
        stream.put(events(5, 10))
        stream.put(events(0, 10))
        assert stream.flush()
        assert stream.status()["spool"]["duplicates"] == 15
    with open_stream(tmp_path, machine=machine) as stream:
        for first in range(0, 40, 10):
            stream.put(events(first, 10))
            assert stream.flush()
    assert sorted(lake_column(tmp_path)) == numbers(40)
    spool = hops(tmp_path)["spool", "", "events"]
    assert (spool.came_in, spool.went_out, spool.duplicate) == (70, 40, 30)
    assert balanced(tmp_path)


def test_all_tables_units_and_counts_are_in_the_ledger(tmp_path: Path) -> None:
    counts = (
        Count("decode", "payloads", 4, 2, {"control message": 1}, dead=1),
        Count("collect", "events", 5, 2, {"sampled": 1}, joined=2),
        Count("collect", "spans", 1, 1),
        Count("collect", "metrics", 1, 1),
    )
    tables: Any = {"logs": numbered(0, 2), "spans": table_of([{"event_id": "s"}], "spans"), "metrics": table_of([{"event_id": "m"}], "metrics")}
    with open_stream(tmp_path) as stream:
        stream.put(Delivery("x", NOON_US, tables, counts, (DeadLetter("payload", "why", b"\0"),)))
        assert stream.flush()
        assert [row["reason"] for row in stream.dead.rows(5)] == ["why"]
    found = hops(tmp_path)
    assert list(found) == [("decode", "", "payloads")] + [
        (hop, sink, unit) for hop, sink in (("collect", ""), ("spool", ""), ("deliver", "lake")) for unit in ("events", "metrics", "spans")
    ]
    decode, collect = found["decode", "", "payloads"], found["collect", "", "events"]
    assert (decode.came_in, decode.went_out, decode.dropped, decode.dead) == (4, 2, 1, 1)
    assert (collect.came_in, collect.went_out, collect.dropped, collect.joined) == (5, 2, 1, 2)
    assert balanced(tmp_path)
    rows = open_ledger(tmp_path / "ledger.sqlite").rows().to_pylist()
    assert {row["rule"] for row in rows} == {"", "control message", "sampled"}
    assert all(row["lost"] == row["pending"] == 0 for row in rows)
    assert lake_column(tmp_path, table="spans") == ["s"]


@pytest.mark.parametrize(
    ("delivery", "fault"),
    [
        (Delivery("x", 0, {"logs": numbered(0, 2)}), "0 events were counted, there are 2"),
        (Delivery("x", 0, {}, (Count("collect", "events", 2, 1),)), "does not add up"),
        (delivery_of(table_of([{"event_id": None}])), "without event_id"),
        (Delivery("x", 0, {"logs": numbered(0, 1).select(["event_id"])}), "not in the schema"),
        (Delivery("x", 0, {"ledger": numbered(0, 1)}), "no table that travels"),
    ],
)
def test_a_delivery_that_does_not_add_up_is_refused(tmp_path: Path, delivery: Delivery, fault: str) -> None:
    with open_stream(tmp_path) as stream, pytest.raises(PermanentError, match=fault):
        stream.put(delivery)


def test_two_on_one_folder_are_refused_with_one_sentence(tmp_path: Path) -> None:
    with open_stream(tmp_path), pytest.raises(StateError, match=r"in use by another process \(pid \d+\)"):
        open_stream(tmp_path)
    open_stream(tmp_path).close()


def test_a_sink_that_is_down_fills_the_spool_and_puts_are_refused_while_the_other_goes_on(tmp_path: Path) -> None:
    sink = MemorySink(down=True)
    with open_stream(tmp_path, sink, machine=Machine(segment_bytes=20_000), spool_max_bytes=150_000) as stream:
        count = fill(stream)
        assert stream.status()["spool"]["bytes"] <= 150_000
        assert stream.flush(10)
        assert sorted(lake_column(tmp_path)) == numbers(count * 100)
        with pytest.raises(TransientError):
            stream.put(events(count * 100, 100))
        sink.down = False
        assert wait_for(lambda: len(sink.ids) == count * 100, 20)
        assert wait_for(lambda: stream.status()["spool"]["segments"] == 1)
        stream.put(events(count * 100, 100))
        assert stream.flush()
    assert sorted(sink.ids) == numbers((count + 1) * 100)
    assert balanced(tmp_path)


def test_memory_stays_flat_while_a_sink_is_down(tmp_path: Path) -> None:
    with open_stream(tmp_path, MemorySink(down=True), machine=Machine(segment_bytes=1 << 20)) as stream:
        for number in range(60):
            stream.put(events(number * 1_000, 1_000))
        assert stream.flush()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(60, 180):
            stream.put(events(number * 1_000, 1_000))
        assert stream.flush()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60 * 1024


def test_a_batch_is_rebuilt_with_the_same_frames_and_name_after_a_restart(tmp_path: Path) -> None:
    sink = MemorySink(down=True)
    with open_stream(tmp_path, sink) as stream:
        stream.put(events(0, 10))
        assert wait_for(lambda: sink.stems)
        stream.put(events(10, 10))
    again = MemorySink()
    with open_stream(tmp_path, again) as stream:
        assert stream.flush()
    assert sorted(again.ids) == numbers(20)
    assert again.stems[0] == sink.stems[0]


def test_an_error_that_no_sink_foresaw_is_poison_after_three_tries_and_goes_to_dead_letters(tmp_path: Path) -> None:
    sink = MemorySink(raises=[ValueError("odd")] * 3)
    with open_stream(tmp_path, sink) as stream:
        stream.put(events(0, 1))
        assert wait_for(lambda: stream.dead.count() == 1)
        assert stream.flush()
        stream.put(events(1, 5))
        assert stream.flush()
        assert hops(tmp_path)["deliver", "memory", "events"].dead == 1
        row = stream.dead.rows(1)[0]
        assert (row["sink"], row["reason"]) == ("memory", "ValueError: odd")
        letter = stream.dead.get(str(row["id"]))
        assert letter is not None
        assert stream.replay(letter, str(row["id"]))
        assert stream.flush()
        assert not stream.replay(DeadLetter("payload", "", b""), "p-0")
    assert sorted(sink.ids) == numbers(6)
    assert balanced(tmp_path)


def test_a_segment_that_a_kill_left_empty_keeps_nobody_waiting(tmp_path: Path) -> None:
    with open_stream(tmp_path) as stream:
        stream.put(events(0, 10))
        assert stream.flush()
    (tmp_path / "spool" / "segment-00000002.log").touch()
    with open_stream(tmp_path) as stream:
        assert stream.flush(10)
        stream.put(events(10, 10))
        assert stream.flush(10)
    assert sorted(lake_column(tmp_path)) == numbers(20)
    assert balanced(tmp_path)


def test_a_permanent_error_goes_to_dead_letters_at_once(tmp_path: Path) -> None:
    with open_stream(tmp_path, MemorySink(raises=[PermanentError("never")])) as stream:
        stream.put(events(0, 1))
        assert wait_for(lambda: stream.dead.count() == 1)
        assert stream.flush()
    assert balanced(tmp_path)


def test_a_sink_that_is_switched_on_later_begins_there_and_one_that_is_switched_off_is_let_go(tmp_path: Path) -> None:
    with open_stream(tmp_path) as stream:
        stream.put(events(0, 10))
        assert stream.flush()
    sink = MemorySink()
    with open_stream(tmp_path, sink) as stream:
        stream.put(events(10, 10))
        assert stream.flush()
        sink.down = True
        stream.put(events(20, 10))
        stream.flush()
    assert sorted(sink.ids) == sorted(f"e-{n}" for n in range(10, 20))
    assert hops(tmp_path)["deliver", "memory", "events"].dropped == 10
    with open_stream(tmp_path) as stream:
        stream.put(events(30, 10))
        assert stream.flush()
    hop = hops(tmp_path)["deliver", "memory", "events"]
    assert (hop.came_in, hop.went_out, hop.dropped, hop.pending) == (30, 10, 20, 0)
    assert balanced(tmp_path)
    with open_stream(tmp_path, MemorySink()) as stream:
        assert stream.flush()
    assert hops(tmp_path)["deliver", "memory", "events"].dropped == 30
    assert balanced(tmp_path)


@pytest.mark.parametrize("gone", ["cursor-lake.bin", "../ledger.sqlite"])
def test_a_lost_cursor_or_ledger_is_made_up_from_the_other(tmp_path: Path, gone: str) -> None:
    with open_stream(tmp_path) as stream:
        stream.put(events(0, 10))
        assert stream.flush()
    (tmp_path / "spool" / gone).unlink()
    with open_stream(tmp_path) as stream:
        stream.put(events(10, 10))
        assert stream.flush()
    assert sorted(lake_column(tmp_path)) == numbers(20)
    assert balanced(tmp_path)


@pytest.mark.parametrize("at", [40, 2_000])
def test_a_damaged_frame_is_counted_as_lost_exactly_and_the_rest_is_delivered(tmp_path: Path, at: int) -> None:
    with open_stream(tmp_path, MemorySink(down=True)) as stream:
        for first in range(0, 300, 100):
            stream.put(events(first, 100))
        assert stream.flush()
    segment = next((tmp_path / "spool").glob("segment-*.log"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 3 + at] ^= 1
    segment.write_bytes(data)
    sink = MemorySink()
    with open_stream(tmp_path, sink) as stream:
        assert stream.flush()
    assert sorted(sink.ids) == sorted(f"e-{n}" for n in [*range(100), *range(200, 300)])
    hop = hops(tmp_path)["deliver", "memory", "events"]
    assert (hop.came_in, hop.went_out, hop.lost, hop.pending) == (300, 200, 100, 0)
    check = open_ledger(tmp_path / "ledger.sqlite").check()
    assert check.problems == ("deliver memory: 100 events lost",)


class FailingDisk(LocalDisk):
    """A disk on which no cursor can be written for a while."""

    def __init__(self) -> None:
        self.fails = False

    def open(self, path: Path) -> Any:
        file, disk = super().open(path), self
        if not path.name.startswith("cursor-"):
            return file

        class Failing:
            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

            def write(self, offset: int, pieces: Any) -> None:
                if disk.fails:
                    raise OSError(errno.EIO, "input/output error")
                file.write(offset, pieces)

        return Failing()


def test_a_cursor_that_cannot_be_written_is_tried_again_and_doubles_nothing(tmp_path: Path) -> None:
    disk = FailingDisk()
    with open_stream(tmp_path, machine=Machine(disk=disk)) as stream:
        disk.fails = True
        stream.put(events(0, 10))
        assert wait_for(lambda: stream.status()["sinks"][0]["state"] == "failing")
        disk.fails = False
        assert stream.flush()
    assert sorted(lake_column(tmp_path)) == numbers(10)
    assert balanced(tmp_path)


def test_it_stops_in_time_while_a_sink_is_down_and_while_others_put(tmp_path: Path) -> None:
    stream = open_stream(tmp_path, MemorySink(down=True))
    stop = threading.Event()

    def feed() -> None:
        number = 0
        while not stop.is_set():
            stream.put(events(number, 5))
            number += 5

    thread = threading.Thread(target=feed)
    thread.start()
    time.sleep(0.2)
    stop.set()
    thread.join()
    began = time.monotonic()
    stream.close()
    stream.close()
    assert time.monotonic() - began < 5
    assert balanced(tmp_path)


def test_absurd_times_lie_in_the_first_and_the_last_partition_with_their_own_time(tmp_path: Path) -> None:
    times = [-62_135_596_800_000_000, NOON_US, 253_402_300_799_000_000, 8_000_000_000_000_000_000]
    rows = table_of([{"event_id": f"e-{n}", "event_time": at} for n, at in enumerate(times)])
    assert [(partition.path, len(part)) for partition, part in by_hour(rows)] == [
        ("day=1970-01-01/hour=00", 1),
        ("day=2026-09-21/hour=14", 1),
        ("day=2099-12-31/hour=23", 2),
    ]
    with open_stream(tmp_path) as stream:
        stream.put(delivery_of(rows))
        assert stream.flush()
    assert sorted(lake_column(tmp_path)) == numbers(4)
    missing = table_of([{"event_id": "a", "event_time": None}])
    assert [partition.path for partition, _ in by_hour(missing)] == ["day=2026-09-21/hour=14"]


def test_a_torn_slot_leaves_the_one_before_it(tmp_path: Path) -> None:
    path, disk = tmp_path / "cursor-x.bin", LocalDisk()
    cursor = Cursor(path, disk, SinkState(START))
    for segment in (1, 2):
        cursor.write(SinkState(Position(segment, 0)))
    cursor.close()
    data = bytearray(path.read_bytes())
    data[SLOT_BYTES + 30] ^= 1
    path.write_bytes(data)
    found = load(path, disk)
    assert found is not None
    assert found[1].position == Position(1, 0)
    path.write_bytes(b"short")
    assert load(path, disk) is None
    with pytest.raises(StateError, match="wait for the ledger"):
        Cursor(path, disk, SinkState(START)).write(SinkState(START).done(START, cursor.state.passed, (OutcomeRow("x" * SLOT_BYTES, 0, "events"),), 0))


def test_a_full_ledger_takes_the_ballast(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    del caplog
    with open_stream(tmp_path) as stream:
        clerk: Clerk = stream._clerk
        assert (tmp_path / "ledger.ballast").stat().st_size > 1 << 20
        (tmp_path / "ledger.ballast").unlink()
        clerk._fill_ballast()
        assert (tmp_path / "ledger.ballast").exists()
