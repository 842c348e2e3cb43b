"""Firehose's records come back as rows: each id once, within the limit, and every event exactly once in the answer, in the stream again, or in a record that failed."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import transformation
from collectors.collector import Collector
from collectors.from_settings import work_with
from collectors.handler import put_again
from collectors.transformation import MAX_ANSWER_BYTES, Held, Transformation
from firehose.delivery import MemoryStream
from firehose.sinks.amazon_firehose.calls import LIMITS
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.errors import TransientError
from tailrace.fields import AttributeRegister
from tailrace.settings import Settings
from tests.collectors.readers.samples import formats

HOUR_MS = 3_600_000
NOON_MS = 1_790_000_000_000
REPORT = "REPORT RequestId: 8f5f9b1c-4b5e-4c8e-9b6a-0123456789ab\tDuration: 12.5 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 60 MB\t"


class Again:
    """The stream that Firehose reads."""

    def __init__(self, error: Exception | None = None) -> None:
        self.records: list[bytes] = []
        self.error = error

    def __call__(self, event: Mapping[str, Any], records: Sequence[bytes]) -> None:
        assert event["deliveryStreamArn"].endswith("/shop-logs")
        if self.error:
            raise self.error
        assert all(len(record) <= LIMITS.record_bytes for record in records)
        self.records += records


def transform_with(again: Again, others: MemoryStream | None = None) -> Transformation:
    register = AttributeRegister()
    held = Held(others or MemoryStream())
    return Transformation(Collector(held, work_with(formats(), register), register, ManualClock()), held, again)


def payload(*events: tuple[str, int, str]) -> bytes:
    told = [{"id": name, "timestamp": NOON_MS + hour * HOUR_MS, "message": message} for name, hour, message in events]
    return gzip.compress(json.dumps({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/g", "logStream": "s", "logEvents": told}).encode(), 1)


CONTROL = gzip.compress(json.dumps({"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "check"}]}).encode())


def event_of(*records: bytes) -> dict[str, Any]:
    told = [{"recordId": f"r-{n}", "approximateArrivalTimestamp": 1, "data": base64.b64encode(data).decode()} for n, data in enumerate(records)]
    return {"invocationId": "i", "deliveryStreamArn": "arn:aws:firehose:eu-central-1:1:deliverystream/shop-logs", "region": "eu-central-1", "records": told}


def rows_of(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def answered(answer: Mapping[str, Any]) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    found = {one["recordId"]: (one["result"], rows_of(base64.b64decode(one["data"])) if one["result"] == "Ok" else []) for one in answer["records"]}
    assert len(found) == len(answer["records"])
    return found


def test_a_payload_becomes_rows_of_one_hour_with_its_partition_keys() -> None:
    answer = transform_with(Again())(event_of(payload(("a", 0, "one"), ("b", 0, '{"level":"error","message":"two"}'))))
    assert answer["records"][0]["metadata"] == {"partitionKeys": {"day": "2026-09-21", "hour": "14"}}
    result, rows = answered(answer)["r-0"]
    assert (result, [row["event_id"] for row in rows], rows[1]["severity_text"]) == ("Ok", ["a", "b"], "ERROR")


def test_rows_of_other_hours_go_into_the_stream_again_and_pass_as_they_are_when_they_come() -> None:
    again = Again()
    answer = transform_with(again)(event_of(payload(("a", 0, "one"), ("b", 1, "two"), ("c", 2, "three"))))
    assert [row["event_id"] for row in answered(answer)["r-0"][1]] == ["a"]
    second = transform_with(Again())(event_of(*again.records))
    assert [base64.b64decode(one["data"]) for one in second["records"]] == again.records
    assert [one["metadata"]["partitionKeys"]["hour"] for one in second["records"]] == ["15", "16"]


def test_control_messages_are_dropped_and_what_cannot_be_read_fails_with_its_data() -> None:
    answer = transform_with(Again())(event_of(CONTROL, b"no payload", b'{"event_id":"x"}', payload()))
    assert [one["result"] for one in answer["records"]] == ["Dropped", "ProcessingFailed", "ProcessingFailed", "Dropped"]
    assert base64.b64decode(answer["records"][1]["data"]) == b"no payload"


def test_metrics_go_to_their_own_stream() -> None:
    others = MemoryStream()
    answer = transform_with(Again(), others)(event_of(payload(("a", 0, REPORT))))
    assert [one["result"] for one in answer["records"]] == ["Ok"]
    (delivery,) = others.deliveries
    assert set(delivery.tables) == {"metrics"}
    assert "duration" in str(delivery.tables["metrics"]["metric_name"].to_pylist()).lower()


def test_a_row_that_fits_into_no_record_goes_where_it_is_made_a_dead_letter() -> None:
    others, again = MemoryStream(), Again()
    answer = transform_with(again, others)(event_of(payload(("a", 0, "x" * (LIMITS.record_bytes + 1)), ("b", 0, "small"))))
    assert [row["event_id"] for row in answered(answer)["r-0"][1]] == ["b"]
    assert [delivery.tables["logs"]["event_id"].to_pylist() for delivery in others.deliveries] == [["a"]]
    assert again.records == []


@given(st.lists(st.lists(st.tuples(st.sampled_from([10, 1_000, 300_000, 900_000]), st.integers(0, 2)), max_size=6), min_size=1, max_size=8))
def test_every_event_is_in_the_answer_or_in_the_stream_again_once_and_the_answer_is_short(asked: list[list[tuple[int, int]]]) -> None:
    again, sent = Again(), [[(f"{at}-{n}", hour, "x" * size) for n, (size, hour) in enumerate(events)] for at, events in enumerate(asked)]
    answer = transform_with(again)(event_of(*(payload(*events) for events in sent)))
    assert len(json.dumps(answer)) <= MAX_ANSWER_BYTES
    found = answered(answer)
    assert list(found) == [f"r-{n}" for n in range(len(sent))]
    assert {result for result, _ in found.values()} <= {"Ok", "Dropped"}
    counts = answer["counts"]
    assert (counts["records"], counts["events"]) == (counts["records_ok"] + counts["records_dropped"], sum(map(len, sent)))
    ids = [row["event_id"] for _, rows in found.values() for row in rows] + [row["event_id"] for record in again.records for row in rows_of(record)]
    assert sorted(ids) == sorted(name for events in sent for name, _, _ in events)
    for _, rows in found.values():
        assert len({row["event_time"][:13] for row in rows}) <= 1


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([CONTROL, payload(("a", 0, "one")), b'{"event_id":"', b""])), max_size=6), st.data())
def test_no_record_makes_it_raise_and_each_id_is_answered_once(records: list[bytes], data: st.DataObject) -> None:
    event = event_of(*records)
    for record in event["records"]:
        if data.draw(st.integers(0, 3)) == 0:
            record["data"] = data.draw(st.sampled_from([None, 7, "%%%", "é"]))
    answer = transform_with(Again())(event)
    assert [one["recordId"] for one in answer["records"]] == [record["recordId"] for record in event["records"]]
    assert {one["result"] for one in answer["records"]} <= {"Ok", "Dropped", "ProcessingFailed"}


def test_where_rows_cannot_be_put_again_the_call_fails_and_firehose_sends_all_once_more() -> None:
    with pytest.raises(TransientError, match="slow down"):
        transform_with(Again(TransientError("slow down")))(event_of(payload(("a", 0, "one"), ("b", 1, "two"))))


@pytest.mark.parametrize("source", ["firehose", "kinesis"])
def test_rows_are_put_into_the_stream_that_firehose_reads(moto: Settings, source: str) -> None:
    name, event = f"transformed-by-{source}", {"deliveryStreamArn": "arn:aws:firehose:us-east-1:1:deliverystream/transformed-by-firehose"}
    kinesis, s3 = aws.client("kinesis", moto), aws.client("s3", moto)
    if source == "kinesis":
        kinesis.create_stream(StreamName=name, ShardCount=1)
        event["sourceKinesisStreamArn"] = f"arn:aws:kinesis:us-east-1:1:stream/{name}"
    else:
        s3.create_bucket(Bucket=name)
        target = {"RoleARN": "arn:aws:iam::123456789012:role/firehose", "BucketARN": f"arn:aws:s3:::{name}"}
        aws.client("firehose", moto).create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=target)  # type: ignore[arg-type]
    put_again(moto, event, [b'{"event_id":"a"}\n', b'{"event_id":"b"}\n'])
    if source == "kinesis":
        shard = kinesis.list_shards(StreamName=name)["Shards"][0]["ShardId"]
        start = kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        stored = b"".join(record["Data"] for record in kinesis.get_records(ShardIterator=start)["Records"])
    else:
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=name)["Contents"]]
        stored = b"".join(s3.get_object(Bucket=name, Key=key)["Body"].read() for key in keys)
    assert sorted(row["event_id"] for row in rows_of(stored)) == ["a", "b"]


def test_the_limit_leaves_room_for_ids_and_keys() -> None:
    assert MAX_ANSWER_BYTES < 6 * 1024 * 1024
    assert (
        len(json.dumps({"recordId": "4" * 56 + "0" * 60, "result": "ProcessingFailed", "metadata": {"partitionKeys": {"day": "2026-09-21", "hour": "14"}}}))
        < transformation.ENTRY_BYTES
    )


def test_what_became_of_records_and_their_events_is_counted() -> None:
    again = Again()
    sent = event_of(payload(("a", 0, "one"), ("b", 0, "two"), ("c", 1, "three")), CONTROL, b"no payload", payload(("d", 0, "x" * (LIMITS.record_bytes + 1))))
    answer = transform_with(again)(sent)
    counts = answer["counts"]
    assert {name: counts[f"records{name}"] for name in ("", "_ok", "_dropped", "_failed", "_reingested")} == {
        "": 4, "_ok": 1, "_dropped": 2, "_failed": 1, "_reingested": 1,
    }  # fmt: skip
    assert {name: counts[name] for name in ("payloads", "events", "dropped", "dead")} == {"payloads": 4, "events": 3, "dropped": 1, "dead": 1}
    assert counts["bytes_in"] == sum(len(base64.b64decode(one["data"])) for one in sent["records"])
    assert counts["bytes_out"] == len(base64.b64decode(answer["records"][0]["data"]))
    passed = transform_with(Again())(event_of(*again.records))["counts"]
    assert (passed["records_ok"], passed["payloads"], passed["events"]) == (1, 0, 0)
