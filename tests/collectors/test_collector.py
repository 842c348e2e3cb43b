"""Whatever comes in is accounted for: rows, drops and dead letters add up, and nothing makes a collector raise."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Collector, Document, Summary
from collectors.lines import Lines, Origin
from collectors.steps import Batch, Work
from firehose.delivery import DeadLetter, Delivery, MemoryStream
from tailrace.clock import ManualClock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema
from tailrace.schema import TableName


@dataclass(frozen=True)
class Rows:
    """What the little parser of these tests answers."""

    logs: pa.Table
    metrics: pa.Table = field(default_factory=lambda: arrow_schema("metrics").empty_table())
    joined: int = 0


def table(lines: Lines, name: TableName = "logs") -> pa.Table:
    columns: dict[str, Any] = {
        "event_id": lines.event_id,
        "event_time": pc.fill_null(lines.event_time, pa.scalar(lines.received_us, pa.timestamp("us"))),
        "message": lines.text,
        "log_source": pa.array([lines.origin.source] * len(lines)),
        "stream_name": pa.array([lines.origin.stream] * len(lines)),
    }
    schema = arrow_schema(name)
    return pa.table([columns[f.name] if f.name in columns else pa.nulls(len(lines), f.type) for f in schema], schema=schema)


def parse(lines: Lines) -> Rows:
    """Every line is a row; `poison` raises, a line with `metric` is a metric too."""
    texts = [text or "" for text in lines.text.to_pylist()]
    if "poison" in " ".join(texts):
        raise ZeroDivisionError("poison")
    metric = [n for n, text in enumerate(texts) if "metric" in text]
    return Rows(table(lines), table(lines, "metrics").take(pa.array(metric, pa.int64())))


def collector(stream: Any = None, parser: Any = parse) -> tuple[Collector, MemoryStream]:
    memory = stream or MemoryStream()
    return Collector(memory, Work(parser), AttributeRegister(), ManualClock(), region="eu-west-1", inflate_max_bytes=1 << 20), memory


def payload(messages: Sequence[str], group: str = "g", kind: str = "DATA_MESSAGE") -> bytes:
    events = [{"id": f"{group}-{n}", "timestamp": 1_790_000_000_000 + n, "message": text} for n, text in enumerate(messages)]
    return gzip.compress(json.dumps({"messageType": kind, "owner": "1", "logGroup": group, "logStream": "s", "logEvents": events}).encode())


def lines(texts: Sequence[str]) -> Lines:
    ids = pa.array([str(n) for n in range(len(texts))], pa.string())
    return Lines(Origin("stdin", "stdin"), 5, pa.array(texts, pa.string()), ids, pa.nulls(len(texts), pa.timestamp("us")))


UNITS: tuple[tuple[str, TableName], ...] = (("events", "logs"), ("spans", "spans"), ("metrics", "metrics"))


def assert_balanced(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        assert all(count.balanced for count in delivery.counts)
        for unit, name in UNITS:
            rows = delivery.tables[name].num_rows if name in delivery.tables else 0
            assert rows == sum(count.went_out for count in delivery.counts if count.unit == unit)
        assert len(delivery.dead) == sum(count.dead for count in delivery.counts)


def test_a_payload_becomes_one_delivery_with_balanced_counts() -> None:
    sut, stream = collector()
    assert sut.collect_payload(payload(["one", "a metric"])) == Summary(payloads=1, events=2, metrics=1)
    (delivery,) = stream.deliveries
    assert delivery.source == "cloudwatch:g"
    assert delivery.tables["logs"]["message"].to_pylist() == ["one", "a metric"]
    assert [(count.hop, count.unit, count.came_in, count.went_out) for count in delivery.counts] == [
        ("decode", "payloads", 1, 1),
        ("collect", "events", 2, 2),
        ("collect", "metrics", 1, 1),
    ]
    assert_balanced(stream.deliveries)


def test_a_control_message_is_dropped_by_its_rule() -> None:
    sut, stream = collector()
    assert sut.collect_payload(payload(["check"], kind="CONTROL_MESSAGE"), source="kinesis:s") == Summary(payloads=1, dropped=1)
    assert stream.deliveries[0].source == "kinesis:s"
    assert stream.deliveries[0].counts[0].dropped == {"control-message": 1}
    assert_balanced(stream.deliveries)


def test_foreign_bytes_are_a_dead_letter_that_holds_them() -> None:
    sut, stream = collector()
    assert len(sut.collect_payload(b"hello").dead) == 1
    assert stream.deliveries[0].dead[0].body == b"hello"
    assert stream.deliveries[0].dead[0].detail["source"] == "cloudwatch"
    assert_balanced(stream.deliveries)


def test_messages_of_several_groups_in_one_payload_are_deliveries_of_their_own() -> None:
    sut, stream = collector()
    assert sut.collect_payload(payload(["a"]) + payload(["b"]) + payload(["c"], "other")) == Summary(payloads=1, events=3)
    assert [(d.source, d.tables["logs"].num_rows) for d in stream.deliveries] == [("cloudwatch:g", 2), ("cloudwatch:other", 1)]
    assert_balanced(stream.deliveries)


def test_payloads_that_come_together_are_parsed_together_and_counted_one_by_one() -> None:
    sizes: list[int] = []

    def noting(lines: Lines) -> Rows:
        sizes.append(len(lines))
        return parse(lines)

    sut, stream = collector(parser=noting)
    together = [payload(["a", "b"]), payload(["c"], "other"), b"hello", payload(["check"], kind="CONTROL_MESSAGE"), payload(["d"])]
    summary = sut.collect_payloads(together, "kinesis:s")
    assert (summary.payloads, summary.events, summary.dropped, [letter.body for letter in summary.dead]) == (5, 4, 1, [b"hello"])
    assert sizes == [3, 1]
    found = {delivery.source: delivery for delivery in stream.deliveries}
    assert list(found) == ["kinesis:s", "cloudwatch:g", "cloudwatch:other"]
    assert found["cloudwatch:g"].tables["logs"]["message"].to_pylist() == ["a", "b", "d"]
    assert [count.came_in for delivery in stream.deliveries for count in delivery.counts if count.hop == "decode"] == [2, 2, 1]
    assert_balanced(stream.deliveries)
    assert sut.collect_payloads([]) == Summary()


def test_long_payloads_are_not_held_back_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.collector.TOGETHER_BYTES", 1_000)
    sut, stream = collector()
    assert sut.collect_payloads([payload(["x" * 600])] * 5).events == 5
    assert len(stream.deliveries) == 3


@pytest.mark.parametrize("poisoned", [[0], [3], [0, 1], list(range(7)), [6]])
def test_lines_that_make_the_parser_raise_go_to_dead_letters_and_their_neighbours_go_on(poisoned: list[int]) -> None:
    sut, stream = collector()
    texts = ["poison" if n in poisoned else f"line {n}" for n in range(7)]
    summary = sut.collect_payload(payload(texts))
    delivery = stream.deliveries[0]
    assert (summary.events, len(summary.dead)) == (7 - len(poisoned), len(poisoned))
    assert [letter.detail["event_id"] for letter in delivery.dead] == [f"g-{n}" for n in poisoned]
    assert {letter.body for letter in delivery.dead} == {b"poison"}
    assert {letter.reason for letter in delivery.dead} == {"the parser raised ZeroDivisionError: poison"}
    assert len({letter.detail["traceback_hash"] for letter in delivery.dead}) == 1
    if len(poisoned) < 7:
        assert delivery.tables["logs"]["message"].to_pylist() == [text for text in texts if text != "poison"]
    assert_balanced(stream.deliveries)


def test_many_poisoned_lines_are_not_followed_up_for_ever() -> None:
    calls: list[int] = []

    def counting(lines: Lines) -> Rows:
        calls.append(len(lines))
        return parse(lines)

    sut, stream = collector(parser=counting)
    assert len(sut.collect_lines(lines(["poison"] * 5_000)).dead) == 5_000
    assert len(calls) < 400
    assert_balanced(stream.deliveries)


@pytest.mark.parametrize(
    "broken",
    [
        lambda lines: Rows(table(lines).slice(1)),
        lambda lines: Rows(table(lines).drop(["raw"])),
        lambda lines: Rows(table(lines).set_column(0, "event_id", pa.nulls(len(lines), pa.string()))),
        lambda lines: None,
    ],
    ids=["loses a row", "another schema", "no id", "nothing"],
)
def test_a_parser_that_loses_rows_loses_nothing(broken: Any) -> None:
    sut, stream = collector(parser=broken)
    summary = sut.collect_lines(lines(["a", "b"]))
    assert (summary.events, [letter.body for letter in summary.dead]) == (0, [b"a", b"b"])
    assert_balanced(stream.deliveries)


def test_joined_lines_are_counted() -> None:
    sut, stream = collector(parser=lambda lines: Rows(table(lines).slice(1), joined=1))
    assert sut.collect_lines(lines(["a", "b", "c"])) == Summary(events=2, joined=1)
    assert_balanced(stream.deliveries)


def test_a_replayed_line_keeps_its_id_time_and_origin() -> None:
    sut, _ = collector()
    letter = sut.collect_payload(payload(["ok", "poison", "ok"])).dead[0]
    mended, after = collector(parser=lambda lines: Rows(table(lines)))
    assert mended.replay(letter) == Summary(events=1)
    row = after.deliveries[0].tables["logs"].to_pylist()[0]
    assert (row["event_id"], row["message"], row["log_source"]) == ("g-1", "poison", "cloudwatch:g")
    assert row["event_time"].isoformat() == "2026-09-21T14:13:20.001000"
    assert after.deliveries[0].source == "cloudwatch:g"
    assert mended.replay(sut.collect_lines(lines(["poison"])).dead[0]) == Summary(events=1)


def test_a_replayed_payload_is_decoded_again() -> None:
    sut, _ = collector()
    letter = DeadLetter("payload", "was refused", payload(["a"]), {"envelope": "cloudwatch", "source": "kinesis:s"})
    assert sut.replay(letter) == Summary(payloads=1, events=1)
    assert len(sut.replay(DeadLetter("document", "x", b"no json", {"envelope": "xray", "source": "xray:udp"})).dead) == 1


SEGMENT = b'{"trace_id": "1-6b02b777-63f651453a9bbc6c80be111a", "id": "390fe48a1db05a62", "name": "web", "start_time": 1, "end_time": 2, "annotations": {"tenant": "t"}}'


def test_segments_become_spans_and_their_attributes_are_learned() -> None:
    memory, register = MemoryStream(), AttributeRegister()
    sut = Collector(memory, Work(parse), register, ManualClock())
    summary = sut.collect_spans([SEGMENT, b"bad"], "xray:udp", [DeadLetter("payload", "no header", b"x")])
    assert (summary.payloads, summary.spans, len(summary.dead)) == (3, 1, 2)
    assert list(register.types()) == ["annotation.tenant"]
    assert memory.deliveries[0].tables["spans"]["log_source"].to_pylist() == ["xray:udp"]
    assert_balanced(memory.deliveries)
    assert sut.collect_payload(SEGMENT.decode(), "xray") == Summary(payloads=1, spans=1)
    assert sut.collect_spans([], "xray:udp") == Summary()


def test_documents_are_rows_of_their_index_with_their_id_or_one_of_their_own() -> None:
    sut, stream = collector()
    summary = sut.collect_documents([Document(b'{"a":1}', "shop", "x1"), Document(b'{"a":1}', "other"), Document(b'{"a":1}', "shop")])
    assert summary == Summary(events=3)
    rows = stream.deliveries[0].tables["logs"].to_pylist()
    assert [(row["stream_name"], row["event_id"] == "x1") for row in rows] == [("shop", True), ("shop", False), ("other", False)]
    assert len({row["event_id"] for row in rows}) == 3
    assert_balanced(stream.deliveries)


def test_nothing_is_put_for_nothing() -> None:
    sut, stream = collector()
    assert sut.collect_lines(lines([])) == sut.collect_documents([]) == sut.collect_dead("s", []) == Summary()
    assert not stream.deliveries


def test_a_stream_that_is_full_is_the_callers_to_hear_of() -> None:
    class FullStream:
        def put(self, delivery: Delivery) -> None:
            raise TransientError("the spool is full")

    with pytest.raises(TransientError):
        collector(FullStream())[0].collect_payload(payload(["a"]))


@given(data=st.binary(max_size=300), head=st.sampled_from([b"", b"\x1f\x8b", b"{", payload(["a", "poison"])]))
def test_whatever_comes_in_is_counted_once(data: bytes, head: bytes) -> None:
    sut, stream = collector()
    summary = sut.collect_payload(head + data)
    assert summary.payloads == 1
    assert_balanced(stream.deliveries)


def test_a_trace_is_one_event_whatever_payloads_come_at_the_same_time() -> None:
    first, second = payload(["ERROR failed", "\tat a", "\tat b", "fine"]), payload(["\tat the start", "more", "\tof it"])
    together, apart = collector(), collector()
    assert together[0].collect_payloads([first, second]) == Summary(payloads=2, events=4, joined=3)
    assert apart[0].collect_payload(first) + apart[0].collect_payload(second) == Summary(payloads=2, events=4, joined=3)
    told = [[text for one in stream.deliveries for text in one.tables["logs"]["message"].to_pylist()] for _, stream in (together, apart)]
    assert told[0] == told[1] == ["ERROR failed\n\tat a\n\tat b", "fine", "\tat the start", "more\n\tof it"]
    assert_balanced(together[1].deliveries)


def test_steps_are_a_tuple_that_can_be_read() -> None:
    from collectors.steps import STEPS

    assert [step.__name__ for step in STEPS] == ["parse", "complete", "enrich", "measure", "sample", "route", "redact", "reconcile"]
    assert Batch.__doc__
