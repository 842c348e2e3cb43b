"""Looking for an event in a spool: where it is, who has passed it, and nothing is touched."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from firehose import LocalFirehose
from firehose.delivery import DeadLetter
from firehose.disk import Machine
from firehose.routes import only
from firehose.spool_search import look
from tailrace.clock import SystemClock
from tests.firehose.deliveries import delivery_of, events, numbered, quick
from tests.firehose.test_delivery_stream import MemorySink, lake_of


def test_an_event_is_found_in_its_frame_with_the_sinks_that_have_passed_it(tmp_path: Path) -> None:
    machine = Machine(segment_bytes=1)
    with LocalFirehose(quick(tmp_path), SystemClock(), sinks=[lake_of(tmp_path), MemorySink(down=True)], machine=machine) as stream:
        for number in range(3):
            stream.put(events(number * 10, 10, source=f"s{number}"))
        stream.put(delivery_of(numbered(0, 5, revision=2), source="again"))
        while stream.status()["sinks"][0]["behind_rows"]:
            pass
        before = {path: path.read_bytes() for path in (tmp_path / "spool").iterdir()}
        found, again, none = look(tmp_path / "spool", "e-15"), look(tmp_path / "spool", "e-3"), look(tmp_path / "spool", "e-99")
        assert {path: path.read_bytes() for path in (tmp_path / "spool").iterdir()} == before
    (place,) = found.places
    assert (place.source, place.segment, place.offset, place.table, place.withheld) == ("s1", 2, 0, "logs", ())
    assert (found.passed("lake", place), found.passed("memory", place)) == (True, False)
    assert [one.source for one in again.places] == ["s0", "again"]
    assert (none.places, none.gone, none.there) == ((), (), True)


def test_a_spool_whose_files_may_not_be_written_can_be_looked_at_when_nobody_runs(tmp_path: Path) -> None:
    with LocalFirehose(quick(tmp_path), SystemClock(), sinks=[MemorySink(down=True)]) as stream:
        stream.put(events(0, 5))
    for path in (tmp_path / "spool").iterdir():
        path.chmod(0o400)
    assert len(look(tmp_path / "spool", "e-4").places) == 1


def test_ids_of_segments_that_are_deleted_are_known_while_they_are_remembered(tmp_path: Path) -> None:
    with LocalFirehose(quick(tmp_path), SystemClock(), sinks=[lake_of(tmp_path)], machine=Machine(segment_bytes=1)) as stream:
        for number in range(4):
            stream.put(events(number * 10, 10))
        assert stream.flush()
    found = look(tmp_path / "spool", "e-5")
    assert (found.places, found.gone, found.oldest_remembered) == ((), (1,), 1)
    (tmp_path / "spool" / "ids-00000001.u64").write_bytes(b"broken")
    assert look(tmp_path / "spool", "e-5").gone == ()


def test_rows_that_a_route_keeps_from_a_sink_are_not_meant_for_it(tmp_path: Path) -> None:
    rows = numbered(0, 2)
    routed = delivery_of(rows)
    routes = pa.array([only("cold", "route:debug"), None], pa.string())
    with LocalFirehose(quick(tmp_path), SystemClock(), sinks=[MemorySink(down=True)]) as stream:
        stream.put(type(routed)(routed.source, routed.received_us, routed.tables, routed.counts, routes={"logs": routes}))
    assert [look(tmp_path / "spool", f"e-{n}").places[0].withheld for n in range(2)] == [("opensearch",), ()]


def test_rows_that_were_put_again_for_one_sink_are_found_too(tmp_path: Path) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, numbered(0, 3).schema) as writer:
        writer.write_table(numbered(0, 3))
    letter = DeadLetter("payload", "never", sink.getvalue().to_pybytes(), {"envelope": "arrow", "table": "logs", "source": "s", "sink": "lake"})
    with LocalFirehose(quick(tmp_path), SystemClock(), sinks=[MemorySink(down=True)]) as stream:
        assert stream.replay(letter, "lake-1-0")
    (place,) = look(tmp_path / "spool", "e-2").places
    assert (place.source, place.withheld) == ("s", ("opensearch",))


@pytest.mark.parametrize("damage", ["none", "identity", "torn", "bit"])
def test_what_is_not_there_or_damaged_is_stepped_over(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "spool"
    if damage != "none":
        with LocalFirehose(quick(tmp_path), SystemClock(), sinks=[MemorySink(down=True)]) as stream:
            stream.put(events(0, 5))
            stream.put(events(5, 5))
        segment = folder / "segment-00000001.log"
        if damage == "identity":
            (folder / "identity").unlink()
        elif damage == "torn":
            os.truncate(segment, segment.stat().st_size - 10)
        else:
            data = bytearray(segment.read_bytes())
            data[60] ^= 1
            segment.write_bytes(data)
    found = look(folder, "e-7")
    assert found.there is (damage != "none")
    assert len(found.places) == (damage == "bit")
