"""What every sink promises, held against each of them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from firehose import LocalFirehose
from firehose.dead_letters import DeadLetters
from firehose.delivery import Count, Delivery
from firehose.sinks.lake.sink import LakeSink
from firehose.sinks.registry import SINKS
from tailrace.clock import SystemClock
from tailrace.errors import PermanentError
from tailrace.ledger import Hop, open_ledger
from tailrace.stores.folder import FolderStore
from tests.contracts.bad_rows import GOOD, TOO_LONG, bad_rows
from tests.contracts.destinations import LONGEST, Messages, OfRecords, destination
from tests.firehose.deliveries import NOON_US, delivery_of, events, everything_delivered, lake_column, numbers, quick, table_of

ALL = list(SINKS)
REFUSING = [name for name in ALL if name != "lake"]
"""The lake takes a row of any length."""

REFUSED = {"opensearch": {"too long"}, "kinesis": {"too long"}} | {name: {"too long", "many keys"} for name in ("amazon_firehose", "sqs", "sns")}
"""Of the bad rows; 50,000 keys are 1.03 million bytes of JSON with their escapes. The others take rows of any length."""

SERVICES = ["amazon_firehose", "kinesis", "sqs", "sns"]


def open_stream(home: Path, sink: Any) -> LocalFirehose:
    """A stream with the lake beside the sink, or the lake alone."""
    lake = LakeSink(FolderStore(home / "lake"), flush_after_s=0.02, flush_bytes=1 << 20)
    return LocalFirehose(quick(home), SystemClock(), sinks=[sink] if sink.name == "lake" else [lake, sink])


def delivered(home: Path, sink: str, unit: str = "events") -> Hop:
    return next(hop for hop in open_ledger(home / "ledger.sqlite").hops() if (hop.sink, hop.unit) == (sink, unit))


@pytest.mark.parametrize("name", ALL)
def test_rows_of_every_table_arrive_once_and_are_counted(tmp_path: Path, name: str) -> None:
    rows = {"logs": [{"event_id": "l", "message": 'a "quoted"\n\x01 line \ufffe'}], "spans": [{"event_id": "s"}], "metrics": [{"event_id": "m", "value": 0.1}]}
    counts = tuple(Count("collect", unit, 1, 1) for unit in ("events", "spans", "metrics"))
    tables: Any = {table: table_of(made, table) for table, made in rows.items()}  # type: ignore[arg-type]
    with destination(name, tmp_path) as there:
        with open_stream(tmp_path, there.sink) as stream:
            stream.put(Delivery("test:a", NOON_US, tables, counts))
            assert everything_delivered(stream)
        assert sorted(there.ids()) == ["l", "m", "s"]
    assert [delivered(tmp_path, name, unit).went_out for unit in ("events", "spans", "metrics")] == [1, 1, 1]
    assert open_ledger(tmp_path / "ledger.sqlite").check().balanced


@pytest.mark.parametrize("name", ALL)
def test_one_that_is_down_gets_everything_when_it_is_back_and_holds_up_no_other(tmp_path: Path, name: str) -> None:
    with destination(name, tmp_path) as there:
        there.fail(3)
        with open_stream(tmp_path, there.sink) as stream:
            stream.put(events(0, 50))
            if name != "lake":
                assert stream.flush()
                assert sorted(lake_column(tmp_path)) == numbers(50)
            assert everything_delivered(stream)
        assert sorted(there.ids()) == numbers(50)
    hop = delivered(tmp_path, name)
    assert (hop.went_out, hop.pending, hop.dead, hop.lost) == (50, 0, 0, 0)


@pytest.mark.parametrize("name", ALL)
def test_what_was_on_its_way_when_the_process_ended_arrives_after_the_next_start(tmp_path: Path, name: str) -> None:
    with destination(name, tmp_path) as there:
        there.fail(1_000_000)
        with open_stream(tmp_path, there.sink) as stream:
            stream.put(events(0, 20))
        assert there.ids() == []
        there.fail(0) if name != "opensearch" else there.fake.faults.clear()
        with open_stream(tmp_path, there.sink) as stream:
            stream.put(events(20, 20))
            assert everything_delivered(stream)
        assert sorted(there.ids()) == numbers(40)
    assert delivered(tmp_path, name).went_out == 40


@pytest.mark.parametrize("name", REFUSING)
def test_a_row_that_it_can_never_take_is_a_dead_letter_and_the_others_go_on(tmp_path: Path, name: str) -> None:
    with destination(name, tmp_path, short=True) as there:
        with open_stream(tmp_path, there.sink) as stream:
            stream.put(delivery_of(table_of([{"event_id": "e-0"}, {"event_id": "long", "message": "x" * 2 * LONGEST}, {"event_id": "e-1"}])))
            assert everything_delivered(stream)
            (row,) = DeadLetters(tmp_path / "dead").rows(9)
            letter = DeadLetters(tmp_path / "dead").get(str(row["id"]))
            assert letter is not None
            with pytest.raises(PermanentError):
                stream.replay(letter, str(row["id"]))
        assert sorted(there.ids()) == ["e-0", "e-1"]
    assert json.loads(letter.body)["event_id"] == "long"
    assert (row["sink"], row["source"], row["kind"]) == (name, "test:a", "document")
    hop = delivered(tmp_path, name)
    assert (hop.went_out, hop.dead, hop.pending) == (2, 1, 0)


@pytest.mark.parametrize("name", ALL)
def test_of_bad_input_each_row_is_there_or_a_dead_letter_and_nothing_is_stuck(tmp_path: Path, name: str) -> None:
    rows = bad_rows()
    with destination(name, tmp_path) as there:
        if name == "opensearch":
            there.fake.max_bytes = TOO_LONG
        with open_stream(tmp_path, there.sink) as stream:
            stream.put(delivery_of(table_of(rows)))
            stream.put(delivery_of(table_of([])))
            stream.put(events(0, 3))
            assert everything_delivered(stream)
            letters = DeadLetters(tmp_path / "dead")
            bodies = [letter.body for row in letters.rows(99) if (letter := letters.get(str(row["id"])))]
        came, dead = there.ids(), [json.loads(body)["event_id"] for body in bodies]
    assert sorted([*came, *dead]) == sorted([*(row["event_id"] for row in rows), *numbers(3)])
    assert set(came) >= {*GOOD, *numbers(3)}
    assert set(dead) == REFUSED.get(name, set())
    hop = delivered(tmp_path, name)
    assert (hop.came_in, hop.went_out, hop.dropped, hop.dead, hop.pending, hop.lost) == (len(rows) + 3, len(came), 0, len(dead), 0, 0)
    check = open_ledger(tmp_path / "ledger.sqlite").check()
    assert check.balanced, check.problems


@pytest.mark.parametrize("name", ALL)
def test_columns_of_the_wrong_type_are_refused_at_the_door_and_what_follows_arrives(tmp_path: Path, name: str) -> None:
    good = table_of([{"event_id": "wrong"}])
    number = good.set_column(good.schema.get_field_index("message"), "message", pa.array([7]))
    with destination(name, tmp_path) as there, open_stream(tmp_path, there.sink) as stream:
        for wrong in (number, good.drop_columns(["message"]), good.append_column("more", pa.array([1])), table_of([{"event_id": "null", "event_time": None}])):
            with pytest.raises(PermanentError, match="delivery of test:a: logs"):
                stream.put(delivery_of(wrong))
        stream.put(events(0, 2))
        assert everything_delivered(stream)
        assert sorted(there.ids()) == numbers(2)
    assert delivered(tmp_path, name).came_in == 2


@pytest.mark.parametrize("refuse_every", [2, 3, 7])
@pytest.mark.parametrize("name", SERVICES)
def test_records_that_are_refused_for_now_are_sent_again_and_no_others(tmp_path: Path, name: str, refuse_every: int) -> None:
    with destination(name, tmp_path, short=True) as there:
        there.service.refuse_every = refuse_every
        with open_stream(tmp_path, there.sink) as stream:
            stream.put(events(0, 200))
            assert everything_delivered(stream)
        assert len(there.service.records) > 5
        assert sorted(there.ids()) == numbers(200)
    assert delivered(tmp_path, name).went_out == 200


@pytest.mark.parametrize("name", ["sqs", "sns"])
def test_a_message_that_is_the_senders_fault_is_dead_letters_of_its_rows_which_can_be_sent_again(tmp_path: Path, name: str) -> None:
    with destination(name, tmp_path, short=True) as there:
        assert isinstance(there, OfRecords)
        assert isinstance(there.service, Messages)
        there.service.poison = b"e-7"
        with open_stream(tmp_path, there.sink) as stream:
            stream.put(events(0, 60))
            assert everything_delivered(stream)
            letters = DeadLetters(tmp_path / "dead")
            found = {str(row["id"]): letters.get(str(row["id"])) for row in letters.rows(100)}
            dead = [json.loads(one.body)["event_id"] for one in found.values() if one]
            assert "e-7" in dead
            assert sorted([*there.ids(), *dead]) == numbers(60)
            there.service.poison = b"\x00"
            assert all(stream.replay(one, identity) for identity, one in found.items() if one)
        assert sorted(there.ids()) == numbers(60)
    assert (delivered(tmp_path, name).went_out, delivered(tmp_path, name).dead) == (60 - len(dead), len(dead))
