"""Of a batch that cannot be delivered the rows that are the cause go to dead letters, and no others; whatever happens meanwhile, each row is there once."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from firehose import LocalFirehose
from firehose.batches import Batch, Key, Limits
from firehose.cursor import OutcomeRow, load
from firehose.disk import LocalDisk
from firehose.frame import Position, Totals
from firehose.isolation import MAX_TRIES, PoisonError, isolated
from firehose.sinks.lake.sink import LakeSink
from tailrace.clock import US_PER_HOUR, SystemClock
from tailrace.errors import TransientError
from tailrace.stores.folder import FolderStore
from tests.firehose.deliveries import NOON_US, delivery_of, events, everything_delivered, lake_column, numbered, numbers, quick
from tests.firehose.test_delivery_stream import MemorySink, balanced, hops, open_stream, wait_for

KEY: Key = ("test:a", NOON_US, "events")


def batch_of(*sizes: int) -> Batch:
    """A batch of deliveries of so many numbered events; and three rows that were lost."""
    batch = Batch(Position(3, 1_000), Position(3, 9_000), Totals(sum(sizes)))
    first = 0
    for number, size in enumerate(sizes):
        batch.take("logs", numbered(first, size), (f"test:{number % 2}", NOON_US, "events"))
        first += size
    batch.lost[KEY] += 3
    return batch


def ids(batch: Batch) -> list[str]:
    return [str(one) for one in batch.table("logs").column("event_id").to_pylist()]


class Sink:
    """Takes parts without poison; keeps what it took and what was buried."""

    def __init__(self, poison: set[str], stop_after: int | None = None) -> None:
        self.poison, self.stop_after = poison, stop_after
        self.taken, self.buried, self.places, self.tries = list[str](), list[str](), list[Position](), 0

    def deliver(self, part: Batch) -> tuple[OutcomeRow, ...] | None:
        self.tries += 1
        self.places.append(part.start)
        if self.tries == self.stop_after:
            return None
        if bad := self.poison & {*ids(part)}:
            raise PoisonError(f"odd: {min(bad)}")
        self.taken += ids(part)
        return part.outcome()

    def bury(self, part: Batch, reason: str) -> tuple[OutcomeRow, ...]:
        assert part.rows > 1 or reason == f"odd: {ids(part)[0]}"
        self.buried += ids(part)
        return tuple(OutcomeRow(row.source, row.minute_us, row.unit, dead=row.out) for row in part.outcome())


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.data())
def test_exactly_the_rows_that_are_the_cause_are_buried_and_everything_is_counted(sizes: list[int], data: st.DataObject) -> None:
    batch = batch_of(*sizes)
    poison = {f"e-{n}" for n in data.draw(st.sets(st.integers(0, sum(sizes) - 1), min_size=1))}
    sink = Sink(poison)
    rows = isolated(batch, f"odd: {ids(batch)[0]}", sink.deliver, sink.bury)
    assert rows is not None
    assert sorted(sink.buried) == sorted(poison)
    assert sorted(sink.taken) == sorted({*ids(batch)} - poison)
    assert (sum(row.out for row in rows), sum(row.dead for row in rows), sum(row.lost for row in rows)) == (len(sink.taken), len(poison), 3)
    assert Counter((row.source, row.minute_us, row.unit) for row in rows) == dict.fromkeys({KEY, *batch.keys["logs"]}, 1)


def test_a_few_bad_rows_among_very_many_take_few_tries_and_all_bad_ones_a_bounded_number() -> None:
    many = batch_of(*[1_000] * 20)
    few = Sink({"e-7", "e-19999"})
    isolated(many, "odd", few.deliver, few.bury)
    assert (sorted(few.buried), len(few.taken)) == (["e-19999", "e-7"], 19_998)
    assert few.tries < 2 * 2 * 16
    all_bad = Sink({f"e-{n}" for n in range(20_000)})
    isolated(many, "odd", all_bad.deliver, all_bad.bury)
    assert sorted(all_bad.buried) == sorted(ids(many))
    assert all_bad.tries <= MAX_TRIES + 1


def test_parts_have_places_of_their_own_inside_the_whole() -> None:
    sink = Sink({f"e-{n}" for n in range(64)})
    batch = batch_of(64)
    isolated(batch, "odd: e-0", sink.deliver, sink.bury)
    stems = {batch.part(low, high).stem("ab") for low in range(64) for high in range(low + 1, 65)}
    assert len(stems) == 64 * 65 / 2
    assert all(batch.start <= place < batch.end for place in sink.places)


def test_where_the_sink_is_being_stopped_nothing_is_said_of_the_whole() -> None:
    sink = Sink({"e-3"}, stop_after=3)
    assert isolated(batch_of(8), "odd", sink.deliver, sink.bury) is None


class PoisonedSink(MemorySink):
    """Raises what no sink foresees where it meets some events; ``down_after`` parts it is not there."""

    def __init__(self, poison: set[str], down_after: int = 1_000_000) -> None:
        super().__init__(limits=Limits(1_000, 1 << 20, 0.05))
        self.poison, self.down_after, self.sizes = poison, down_after, list[int]()

    def attempt(self, batch: Batch, stem: str) -> Any:
        sink, took = self, super().attempt(batch, stem)

        class Attempt:
            def run(self) -> tuple[OutcomeRow, ...]:
                sink.sizes.append(batch.rows)
                if len(sink.sizes) > sink.down_after:
                    raise TransientError("down")
                if sink.poison & {*ids(batch)}:
                    raise ValueError("odd")
                return tuple(took.run())

        return Attempt()


def put_together(stream: LocalFirehose, count: int) -> None:
    for first in range(0, count, 10):
        stream.put(events(first, 10))


def test_one_bad_row_does_not_cost_its_neighbours_and_can_be_replayed(tmp_path: Path) -> None:
    sink = PoisonedSink({"e-17"})
    with open_stream(tmp_path, sink) as stream:
        put_together(stream, 40)
        assert everything_delivered(stream)
        row, letter = stream.dead.rows(10)[0], stream.dead.get(str(stream.dead.rows(10)[0]["id"]))
        assert (stream.dead.count(), row["reason"]) == (1, "ValueError: odd")
        assert hops(tmp_path)["deliver", "memory", "events"].dead == 1
        assert sorted(sink.ids) == sorted({*numbers(40)} - {"e-17"})
        assert letter is not None
        assert pa.ipc.open_stream(letter.body).read_all().column("event_id").to_pylist() == ["e-17"]
        sink.poison.clear()
        assert stream.replay(letter, str(row["id"]))
        assert everything_delivered(stream)
    assert sorted(sink.ids) == numbers(40)
    assert balanced(tmp_path)


def test_a_batch_that_is_known_to_be_poisoned_is_not_tried_as_a_whole_after_a_restart(tmp_path: Path) -> None:
    first = PoisonedSink({"e-5"}, down_after=5)
    with open_stream(tmp_path, first) as stream:
        put_together(stream, 40)
        assert wait_for(lambda: len(first.sizes) > 6)
    whole = first.sizes[0]
    state = load(tmp_path / "spool" / "cursor-memory.bin", LocalDisk())
    assert state is not None
    assert state[1].seal is not None
    assert state[1].seal.poisoned
    again = PoisonedSink({"e-5"})
    with open_stream(tmp_path, again) as stream:
        assert everything_delivered(stream)
        assert stream.dead.count() == 1
    assert again.sizes[0] == whole // 2
    assert sorted({*first.ids, *again.ids}) == sorted({*numbers(40)} - {"e-5"})
    assert balanced(tmp_path)


class OddStore(FolderStore):
    """A folder that breaks in a way that nobody foresaw over one event."""

    def put(self, key: str, data: bytes) -> None:
        if "/f-" in f"/{key}" and "e-25" in pq.read_table(pa.BufferReader(data), columns=["event_id"]).column("event_id").to_pylist():
            raise ValueError("odd")
        super().put(key, data)


def test_what_the_lake_had_of_a_poisoned_batch_is_there_once(tmp_path: Path) -> None:
    """Two hours: the part of the first is there before that of the second fails."""
    sink = LakeSink(OddStore(tmp_path / "lake"), flush_after_s=0.2, flush_bytes=1 << 26)
    with LocalFirehose(quick(tmp_path), SystemClock(), sinks=[sink]) as stream:
        stream.put(events(0, 20))
        stream.put(delivery_of(numbered(20, 10, at_us=NOON_US + US_PER_HOUR)))
        stream.put(events(30, 5))
        assert everything_delivered(stream)
        assert stream.dead.count() == 1
    assert sorted(lake_column(tmp_path)) == sorted({*numbers(35)} - {"e-25"})
    assert balanced(tmp_path)
