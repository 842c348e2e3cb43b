"""Rows reach Amazon Data Firehose within its limits, and only what was refused is sent again."""

import base64
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose.delivery import DeadLetter, Delivery
from firehose.records import calls, pack
from firehose.sinks.amazon_firehose.calls import LIMITS, Boto3Records
from firehose.sinks.amazon_firehose.stream import MAX_TRIES, AmazonFirehose
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.errors import PermanentError, TransientError
from tailrace.forms import arrow_schema
from tailrace.settings import Settings

NOON = datetime(2026, 11, 24, 12)  # noqa: DTZ001 - the lake's times have no zone


class FaultyFirehose:
    """Takes records in memory, within AWS's limits; refuses every n-th record, or raises, as long as it is told to."""

    def __init__(self, refuse_every: int = 0, faults: Sequence[Exception] = ()) -> None:
        self.streams: dict[str, list[bytes]] = defaultdict(list)
        self.calls = 0
        self._refuse_every, self._seen, self._faults = refuse_every, 0, list(faults)

    def put_records(self, stream: str, records: Sequence[bytes]) -> Sequence[int]:
        assert 0 < len(records) <= LIMITS.call_records
        assert sum(map(len, records)) <= LIMITS.call_bytes
        assert max(map(len, records)) <= LIMITS.record_bytes
        self.calls += 1
        if self._faults:
            raise self._faults.pop()
        refused = []
        for index, record in enumerate(records):
            self._seen += 1
            if self._refuse_every and self._seen % self._refuse_every == 0:
                refused.append(index)
            else:
                self.streams[stream].append(record)
        return refused


def logs(messages: Sequence[str], **columns: Sequence[Any]) -> pa.Table:
    rows = [{"event_id": str(n), "revision": 0, "event_time": NOON, "message": message} for n, message in enumerate(messages)]
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return pa.Table.from_pylist(rows, arrow_schema("logs"))


def delivery(table: pa.Table, *dead: DeadLetter) -> Delivery:
    return Delivery("test", 1, {"logs": table}, (), dead)


def documents(records: Sequence[bytes]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for record in records for line in record.splitlines()]


def firehose(port: Any) -> AmazonFirehose:
    return AmazonFirehose(port, "shop", ManualClock(), jitter=lambda: 0.5)


def test_rows_are_packed_as_lines_of_json_without_nulls() -> None:
    port = FaultyFirehose()
    firehose(port).put(delivery(logs(["one", "two"])))
    assert list(port.streams) == ["shop-logs"]
    assert len(port.streams["shop-logs"]) == 1
    assert documents(port.streams["shop-logs"]) == [
        {"event_id": "0", "revision": 0, "event_time": "2026-11-24 12:00:00.000000", "message": "one"},
        {"event_id": "1", "revision": 0, "event_time": "2026-11-24 12:00:00.000000", "message": "two"},
    ]


def test_a_record_holds_one_event_hour() -> None:
    hours = [NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=1), NOON]
    records, _ = pack("logs", logs(["a", "b", "c", "d"], event_time=hours), LIMITS)
    assert [[row["message"] for row in documents([record.data])] for record in records] == [["a", "b", "d"], ["c"]]


@given(sizes=st.lists(st.integers(0, 3_000_000), max_size=12))
def test_no_call_and_no_record_is_too_large_and_every_row_arrives_once(sizes: list[int]) -> None:
    port = FaultyFirehose()
    firehose(port).put(delivery(logs(["x" * size for size in sizes])))
    sent = [row["event_id"] for row in documents(port.streams["shop-logs"])]
    dead = {letter["id"] for letter in documents(port.streams["shop-dead"])}
    assert sent == [str(n) for n, size in enumerate(sizes) if size < LIMITS.record_bytes - 200]
    assert len(dead) == len(sizes) - len(sent)


@given(sizes=st.lists(st.sampled_from([1, 1_000, 500_000, LIMITS.record_bytes]), max_size=60), few=st.booleans())
def test_calls_keep_order_and_limits(sizes: list[int], *, few: bool) -> None:
    records = [bytes(size) for size in sizes] + ([] if few else [b"x"] * 1_200)
    cut = [records[start:end] for start, end in calls(map(len, records), LIMITS)]
    assert [record for call in cut for record in call] == records
    assert all(len(call) <= LIMITS.call_records and sum(map(len, call)) <= LIMITS.call_bytes for call in cut)


@pytest.mark.parametrize("refuse_every", [2, 3, 7])
def test_only_refused_records_are_sent_again(refuse_every: int) -> None:
    port = FaultyFirehose(refuse_every)
    firehose(port).put(delivery(logs(["x" * 900_000] * 20)))
    assert sorted(int(row["event_id"]) for row in documents(port.streams["shop-logs"])) == list(range(20))


def test_a_fault_of_the_service_is_tried_again_after_longer_and_longer_waits() -> None:
    port, clock = FaultyFirehose(faults=[TransientError("slow down")] * 3), ManualClock()
    AmazonFirehose(port, "shop", clock, jitter=lambda: 1.0).put(delivery(logs(["a"])))
    assert (port.calls, len(port.streams["shop-logs"])) == (4, 1)
    assert clock.monotonic_s() == pytest.approx(0.1 + 0.2 + 0.4)


def test_it_gives_up_after_so_many_tries() -> None:
    with pytest.raises(TransientError, match="shop-logs: 1 records refused 8 times"):
        firehose(FaultyFirehose(refuse_every=1)).put(delivery(logs(["a"])))
    port = FaultyFirehose(faults=[TransientError("slow down")] * MAX_TRIES)
    with pytest.raises(TransientError, match="slow down"):
        firehose(port).put(delivery(logs(["a"])))


def test_a_refusal_for_good_is_not_tried_again() -> None:
    port = FaultyFirehose(faults=[PermanentError("no such stream")])
    with pytest.raises(PermanentError):
        firehose(port).put(delivery(logs(["a"])))
    assert port.calls == 1


def test_dead_letters_go_to_their_own_stream_whole() -> None:
    port, body = FaultyFirehose(), bytes(range(256)) * 6_000
    firehose(port).put(delivery(logs([]), DeadLetter("payload", "foreign", body, {"envelope": "cloudwatch"}), DeadLetter("payload", "empty", b"")))
    pieces = documents(port.streams["shop-dead"])
    assert b"".join(base64.b64decode(piece["body"]) for piece in pieces) == body
    assert [(piece["piece"], piece["pieces"], piece["reason"]) for piece in pieces] == [
        (1, 3, "foreign"),
        (2, 3, "foreign"),
        (3, 3, "foreign"),
        (1, 1, "empty"),
    ]
    assert pieces[0]["detail"] == {"envelope": "cloudwatch"}


def test_the_call_has_the_shape_that_aws_takes(moto: Settings) -> None:
    client, s3 = aws.client("firehose", moto), aws.client("s3", moto)
    s3.create_bucket(Bucket="shape-of-a-call")
    target = {"RoleARN": "arn:aws:iam::123456789012:role/firehose", "BucketARN": "arn:aws:s3:::shape-of-a-call"}
    client.create_delivery_stream(DeliveryStreamName="shop-logs", ExtendedS3DestinationConfiguration=target)  # type: ignore[arg-type]
    firehose(Boto3Records(client)).put(delivery(logs(["one", "two"])))
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="shape-of-a-call")["Contents"]]
    stored = b"".join(s3.get_object(Bucket="shape-of-a-call", Key=key)["Body"].read() for key in keys)
    assert [row["message"] for row in documents([stored])] == ["one", "two"]


def test_a_stream_that_is_not_there_is_refused_for_good(moto: Settings) -> None:
    with pytest.raises(PermanentError, match="delivery stream shop-none"):
        Boto3Records(aws.client("firehose", moto)).put_records("shop-none", [b"x"])


def test_an_address_that_does_not_answer_is_transient() -> None:
    client = aws.client("firehose", Settings(aws_endpoint_url="http://127.0.0.1:9"))
    client.meta.config.retries = {"max_attempts": 0}  # type: ignore[attr-defined]
    with pytest.raises(TransientError):
        Boto3Records(client).put_records("shop-logs", [b"x"])
