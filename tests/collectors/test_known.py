"""What a sender says beside a line counts before the line, stays with its event, and survives a dead letter."""

import json
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Collector
from collectors.from_settings import work_with
from collectors.known import by_event_id, known_of, known_table
from collectors.lines import Lines, Origin
from collectors.runs import grouped, together
from collectors.steps import Work
from firehose.delivery import MemoryStream
from tailrace.clock import ManualClock
from tailrace.fields import AttributeRegister
from tests.collectors.readers.samples import RECEIVED_US, formats


def lines(texts: list[str], known: dict[str, list[Any]], *, whole: bool = True, times: list[int | None] | None = None) -> Lines:
    ids = pa.array([f"e{n}" for n in range(len(texts))], pa.string())
    beside = known_table({"event_id": ids, **{name: pa.array(values) for name, values in known.items()}})
    at: pa.TimestampArray = pa.array(times or [None] * len(texts), pa.timestamp("us"))
    return Lines(Origin("t", "t"), RECEIVED_US, pa.array(texts, pa.string()), ids, at, beside, whole)


def rows(given_lines: Lines, work: Work | None = None) -> tuple[list[dict[str, Any]], MemoryStream]:
    stream, register = MemoryStream(), AttributeRegister()
    Collector(stream, work or work_with(formats(), register), register, ManualClock()).collect_lines(given_lines)
    return [row for one in stream.deliveries if "logs" in one.tables for row in one.tables["logs"].to_pylist()], stream


def test_what_is_known_counts_before_what_the_line_says() -> None:
    (row, other), _ = rows(
        lines(
            ['{"level":"info","message":"m","a":1,"service":"line"}', "ERROR plain"],
            {"severity_text": ["WARN", None], "service_name": ["said", None], "attributes": ['{"b":2}', None]},
        )
    )
    assert (row["severity_text"], row["service_name"], row["message"], json.loads(row["attributes"])) == ("WARN", "said", "m", {"a": 1, "b": 2})
    assert (other["severity_text"], other["service_name"], other["attributes"]) == ("ERROR", None, None)


def test_of_equal_names_the_senders_stays_and_numbers_stay_as_they_are_written() -> None:
    (row, other), _ = rows(
        lines(
            ['{"message":"m","a":1,"big":123456789012345678901234567890}', '{"message":"m","big":123456789012345678901234567890}'],
            {"attributes": ['{"a":"said"}', '{"b":1.50}']},
        )
    )
    assert json.loads(row["attributes"])["a"] == "said"
    assert other["attributes"] == '{"big":123456789012345678901234567890,"b":1.50}'


def test_a_time_that_is_known_is_weaker_than_that_of_envelope_and_line() -> None:
    found, _ = rows(
        lines(["plain", '{"time":"2026-11-24T10:00:00Z","message":"m"}', "plain"], {"event_time": [7, 7, 7]}, times=[None, None, 9]),
    )
    assert [row["event_time"].isoformat() for row in found] == ["1970-01-01T00:00:00.000007", "2026-11-24T10:00:00", "1970-01-01T00:00:00.000009"]


def test_events_that_are_whole_are_joined_to_no_other_and_others_keep_what_is_known_of_the_first() -> None:
    trace = ["ERROR failed", "\tat a.b.C(C.java:1)", "fine"]
    assert len(rows(lines(trace, {"host_name": ["x", "y", "z"]}))[0]) == 3
    joined, _ = rows(lines(trace, {"host_name": ["x", "y", "z"]}, whole=False))
    assert [(row["message"], row["host_name"]) for row in joined] == [("ERROR failed\n\tat a.b.C(C.java:1)", "x"), ("fine", "z")]


def test_runs_of_one_origin_are_put_together_with_all_that_is_known() -> None:
    first, second = lines(["a"], {"host_name": ["x"]}), lines(["b"], {"trace_id": ["t"]})
    one = together([first, second])
    assert one.known is not None
    assert one.known.num_rows == 2
    assert len(grouped([first, lines(["b"], {}, whole=False)])) == 2


def test_a_line_that_makes_a_parser_raise_is_replayed_with_what_is_known() -> None:
    def poison(_: Lines) -> Any:
        raise ZeroDivisionError

    _, stream = rows(lines(["a line"], {"host_name": ["x"], "attributes": ['{"k":1}'], "event_time": [7]}), Work(poison))
    (letter,) = stream.deliveries[0].dead
    again, register = MemoryStream(), AttributeRegister()
    Collector(again, work_with(formats(), register), register, ManualClock()).replay(letter)
    (row,) = again.deliveries[0].tables["logs"].to_pylist()
    assert (row["message"], row["host_name"], row["attributes"], row["event_id"]) == ("a line", "x", '{"k":1}', "e0")


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5) | st.booleans(), max_size=3), st.text(max_size=20))
def test_any_attributes_make_one_object(said: dict[str, Any], text: str) -> None:
    given_lines = lines([json.dumps({"message": text, "a": text})], {"attributes": [json.dumps(said) if said else None]})
    (row,), _ = rows(given_lines)
    assert json.loads(row["attributes"] or "{}").keys() >= said.keys()


def test_what_is_known_is_text_and_back() -> None:
    table = lines(["a"], {"client_port": [4], "severity_text": ["WARN"]}).known
    assert table is not None
    assert known_of(by_event_id(table)["e0"]).equals(table)
    assert by_event_id(None) == {}
