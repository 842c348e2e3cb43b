"""Rows of one Tailrace reach another as they are, once, and bytes that are none do no harm."""

import random
from pathlib import Path

import pyarrow as pa
import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from firehose import LocalFirehose
from firehose.delivery import MemoryStream
from tailrace.clock import SystemClock
from tailrace.errors import DecodeError
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema
from tailrace.ledger import open_ledger
from tailrace.schema import FieldType
from tailrace.wire import MEDIA_TYPE, SOURCE, decode, encode
from tests.firehose.deliveries import delivery_of, events, lake_column, numbered, numbers, quick
from tests.gateway.running import light_door, running

TYPES = {"order": FieldType.LONG, "client": FieldType.IP}
GOOD = encode(numbered(0, 3), pa.array(["a", "b", "a"]), TYPES)


def test_rows_arrive_as_they_are_under_the_names_of_their_sources(tmp_path: Path) -> None:
    with running(tmp_path / "there", gateway_token="word") as (url, there):
        here = quick(tmp_path / "here", sink_tailrace_url=url, sink_tailrace_token="word")
        with LocalFirehose(here, SystemClock(), register=AttributeRegister()) as stream:
            stream.put(delivery_of(numbered(0, 40, attributes='{"order":7}', log_format="app.json"), source="cloudwatch:/shop"))
            stream.put(events(40, 10, source="file:/x"))
            assert stream.flush()
        assert there.stream.flush()
        assert there.parts.engine.count("logs", {"query": {"term": {"log.format": {"value": "app.json"}}}}) == 40
    assert sorted(lake_column(tmp_path / "there")) == sorted(lake_column(tmp_path / "here")) == numbers(50)
    sources = {row["log_source"]: row["count_out"] for row in open_ledger(tmp_path / "there" / "ledger.sqlite").rows().to_pylist() if row["hop"] == "collect"}
    assert sources == {"cloudwatch:/shop": 40, "file:/x": 10}
    assert open_ledger(tmp_path / "here" / "ledger.sqlite").check().balanced


def test_rows_that_come_twice_are_there_once_and_types_are_learned(tmp_path: Path) -> None:
    with running(tmp_path) as (url, there):
        for _ in range(2):
            answer = urllib3.request("POST", f"{url}/_tailrace/rows?table=logs", body=GOOD, headers={"content-type": MEDIA_TYPE})
            assert (answer.status, answer.json()) == (200, {"rows": 3})
        assert there.stream.flush()
        assert there.parts.register.type_of("order") is FieldType.LONG
        assert there.parts.register.type_of("client") is None
    assert sorted(lake_column(tmp_path)) == numbers(3)


def _changed(**columns: pa.Array) -> bytes:  # type: ignore[type-arg]
    table = pa.ipc.open_stream(GOOD).read_all()
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        table = table.append_column(name, values) if at < 0 else table.set_column(at, name, values)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no Arrow stream"),
        (b"{}", "no Arrow stream"),
        (GOOD[: len(GOOD) // 2], "no Arrow stream"),
        (_changed(revision=pa.array(["x", "y", "z"])), "column revision is string and not int"),
        (_changed(event_id=pa.array(["x", None, "z"])), "rows without event_id"),
        (_changed(**{SOURCE: pa.array(["x", None, "z"])}), "rows without _source"),
    ],
)
def test_a_body_that_is_none_is_refused_and_says_why(body: bytes, said: str) -> None:
    stream = MemoryStream()
    answer = light_door(stream).post("/_tailrace/rows", content=body, headers={"content-type": MEDIA_TYPE})
    assert (answer.status_code, stream.deliveries) == (400, [])
    assert said in answer.json()["error"]["reason"]


def test_a_table_that_does_not_travel_is_named() -> None:
    answer = light_door(MemoryStream()).post("/_tailrace/rows?table=ledger", content=GOOD)
    assert (answer.status_code, "no table that travels: 'ledger'" in answer.text) == (400, True)


def test_columns_that_the_other_does_not_know_are_left_out_and_missing_ones_are_null() -> None:
    ((source, rows),), _ = decode("logs", _changed(new=pa.array([1, 2, 3]), **{SOURCE: pa.array(["s"] * 3)}))
    assert source == "s"
    assert rows.schema == arrow_schema("logs")
    assert rows["service_name"].to_pylist() == ["cart"] * 3
    assert rows["trace_id"].null_count == 3


@given(st.integers(0, 1 << 32), st.integers(1, 6))
def test_damaged_streams_are_read_or_refused(seed: int, changes: int) -> None:
    chance, body = random.Random(seed), bytearray(GOOD)
    for _ in range(changes):
        body[chance.randrange(len(body))] = chance.randrange(256)
    try:
        found, _ = decode("logs", bytes(body[: chance.choice((len(body), chance.randrange(len(body))))]))
    except DecodeError:
        return
    assert all(rows.schema == arrow_schema("logs") and rows["event_id"].null_count == 0 for _, rows in found)
