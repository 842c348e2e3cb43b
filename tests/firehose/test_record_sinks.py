"""Rows as records: written as JSON would write them, packed within limits, and taken by services as moto emulates them."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose import LocalFirehose
from firehose.json_text import json_lines
from firehose.records import CallLimits, calls, pack
from firehose.sinks.sqs.calls import as_xml_text
from tailrace import aws
from tailrace.clock import SystemClock
from tailrace.settings import Settings
from tests.firehose.deliveries import NOON_US, events, numbers, table_of

TEXTS = st.one_of(st.none(), st.text(max_size=20), st.sampled_from(['"', "\\", "\x00\x1f\x7f", "\ud83d\ude80", "\u2028\ufffe", "a\nb\r\tc"])).map(
    lambda text: text if text is None else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "event_id": st.text('ab"\\', min_size=1, max_size=5),
            "message": TEXTS,
            "severity_number": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            "duration_s": st.one_of(st.none(), st.floats()),
        }
    ),
    max_size=8,
)
SIZES = st.lists(st.sampled_from([0, 1, 100, 500, 2_000, 5_000]), max_size=30)


@given(ROWS)
def test_lines_are_what_json_would_write(rows: list[dict[str, Any]]) -> None:
    found = [json.loads(line) for line in json_lines("logs", table_of(rows)).to_pylist()]
    time = datetime.fromtimestamp(NOON_US / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    expected = [
        {name: value for name, value in row.items() if value is not None and not (isinstance(value, float) and not math.isfinite(value))} for row in rows
    ]
    assert [{name: value for name, value in row.items() if name not in {"revision", "event_time", "observed_time"}} for row in found] == expected
    assert all(row["event_time"] == row["observed_time"] == time for row in found)


@given(SIZES, st.integers(1, 4), st.booleans())
def test_records_and_calls_are_within_limits_and_hold_each_row_once_in_order(sizes: list[int], records: int, one_hour: bool) -> None:
    limits = CallLimits(record_bytes=2_000, call_records=records, call_bytes=3_000, overhead=16, one_hour=one_hour)
    rows = table_of([{"event_id": str(n), "message": "x" * size, "event_time": NOON_US + n % 2 * 3_600_000_000} for n, size in enumerate(sizes)])
    made, oversized = pack("logs", rows, limits)
    assert all(len(one.data) <= limits.record_bytes for one in made)
    assert all(len(one.data) > limits.record_bytes and len(one.rows) == 1 for one in oversized)
    for one in [*made, *oversized]:
        lines = [json.loads(line) for line in one.data.splitlines()]
        assert [line["event_id"] for line in lines] == [str(row) for row in one.rows.tolist()]
        assert not one_hour or len({line["event_time"][:13] for line in lines}) == 1
    assert sorted(row for one in [*made, *oversized] for row in one.rows.tolist()) == list(range(len(sizes)))
    cut = [made[start:end] for start, end in calls([len(one.data) for one in made], limits)]
    assert [one for call in cut for one in call] == made
    for call in cut:
        assert len(call) <= records
        assert len(call) == 1 or sum(len(one.data) + limits.overhead for one in call) <= limits.call_bytes


def test_a_message_holds_only_what_xml_knows_and_means_the_same() -> None:
    text = "\ufffe \uffff \u0001 é \U0001f680"
    record = json.dumps({"message": text}, ensure_ascii=False).encode()
    shown = as_xml_text(record)
    assert json.loads(shown) == {"message": text}
    assert not set(shown) & {"\ufffe", "\uffff", "\u0001"}


def test_services_take_what_the_settings_send_them(tmp_path: Path, moto: Settings) -> None:
    kinesis, sqs, sns = aws.client("kinesis", moto), aws.client("sqs", moto), aws.client("sns", moto)
    kinesis.create_stream(StreamName="rows-of-a-spool", ShardCount=2)
    queue = sqs.create_queue(QueueName="rows-of-a-spool")["QueueUrl"]
    heard = sqs.create_queue(QueueName="heard-of-a-topic")["QueueUrl"]
    topic = sns.create_topic(Name="rows-of-a-spool")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:heard-of-a-topic")
    settings = replace(moto, home=tmp_path, lake_flush_after_s=0.02, sink_kinesis_stream="rows-of-a-spool", sink_sqs_url=queue, sink_sns_topic=topic)
    with LocalFirehose(settings, SystemClock()) as stream:
        stream.put(events(0, 1_000))
        assert stream.flush()
        assert {sink["name"] for sink in stream.status()["sinks"]} == {"lake", "kinesis", "sqs", "sns"}
    assert _ids("".join(_messages(sqs, queue))) == numbers(1_000)
    assert _ids("".join(json.loads(body)["Message"] for body in _messages(sqs, heard))) == numbers(1_000)
    shards = [shard["ShardId"] for shard in kinesis.list_shards(StreamName="rows-of-a-spool")["Shards"]]
    starts = [kinesis.get_shard_iterator(StreamName="rows-of-a-spool", ShardId=one, ShardIteratorType="TRIM_HORIZON")["ShardIterator"] for one in shards]
    data = b"".join(record["Data"] for start in starts for record in kinesis.get_records(ShardIterator=start)["Records"])
    assert _ids(data.decode()) == numbers(1_000)


@pytest.mark.parametrize("setting", ["sink_kinesis_stream", "sink_sqs_url", "sink_sns_topic", "sink_firehose_streams"])
def test_a_destination_that_is_not_there_is_waited_for_and_named(tmp_path: Path, moto: Settings, setting: str) -> None:
    name = {"sink_sqs_url": f"{moto.aws_endpoint_url}/123456789012/none", "sink_sns_topic": "arn:aws:sns:us-east-1:123456789012:none"}.get(setting, "none")
    wanted: Any = {setting: name}
    with LocalFirehose(replace(moto, home=tmp_path, lake_flush_after_s=0.02, **wanted), SystemClock()) as stream:
        stream.put(events(0, 3))
        assert stream.flush()
        sink = stream.status()["sinks"][1]
        while not sink["failures"]:
            sink = stream.status()["sinks"][1]
    assert sink["behind_rows"] == 3
    assert "none" in sink["error"]


def _messages(client: Any, queue: str) -> list[str]:
    bodies: list[str] = []
    while found := client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        bodies += [one["Body"] for one in found]
    return bodies


def _ids(lines: str) -> list[str]:
    return sorted(json.loads(line)["event_id"] for line in lines.splitlines())
