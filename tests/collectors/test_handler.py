"""The Lambda function: what is answered, and what is sent again."""

import base64
import gzip
import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from moto.server import ThreadedMotoServer

from collectors.collector import Collector
from collectors.handler import Handler, lambda_handler, stream_from_settings
from collectors.lines import Lines
from collectors.sources.s3_notices import S3Notices
from collectors.sources.s3_objects import ObjectSource
from collectors.steps import Work
from collectors.transformation import Held, Transformation
from firehose.delivery import Delivery, MemoryStream
from firehose.sinks.amazon_firehose.stream import AmazonFirehose
from tailrace import aws
from tailrace.clock import ManualClock
from tailrace.errors import PermanentError, SettingError, TransientError
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema
from tailrace.settings import Settings
from tests.collectors.sources.s3_fakes import MemoryRanges, column


class Rows:
    """A row a line, with nothing but id, time and message."""

    def __init__(self, lines: Lines) -> None:
        times = pc.fill_null(lines.event_time, pa.scalar(lines.received_us, pa.timestamp("us")))
        columns: dict[str, Any] = {"event_id": lines.event_id, "event_time": times, "message": lines.text}
        schema = arrow_schema("logs")
        self.logs = pa.table([columns[f.name] if f.name in columns else pa.nulls(len(lines), f.type) for f in schema], schema=schema)
        self.metrics = arrow_schema("metrics").empty_table()
        self.joined = 0


class FailingAt(MemoryStream):
    """Refuses the n-th delivery."""

    def __init__(self, at: int, error: Exception) -> None:
        super().__init__()
        self._left, self._error = at, error

    def put(self, delivery: Delivery) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._error
        super().put(delivery)


def handler(stream: MemoryStream, objects: MemoryRanges | None = None) -> Handler:
    clock = ManualClock()
    held = Held(stream)
    collector = Collector(held, Work(Rows), AttributeRegister(), clock)
    transform = Transformation(collector, held, lambda _event, _records: None)
    return Handler(collector, S3Notices(collector, ObjectSource(collector, clock, objects or MemoryRanges(), patience_s=0), 3), transform)


def data(message: str) -> str:
    events = [{"id": message, "timestamp": 1_790_000_000_000, "message": message}]
    body = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": events}
    return base64.b64encode(gzip.compress(json.dumps(body).encode())).decode()


def kinesis(*payloads: str) -> dict[str, Any]:
    return {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": str(n), "data": payload}} for n, payload in enumerate(payloads)]}


def test_a_subscriptions_event_is_delivered() -> None:
    stream = MemoryStream()
    answer = handler(stream)({"awslogs": {"data": data("one")}})
    assert answer["batchItemFailures"] == []
    assert answer["counts"] == {"payloads": 1, "events": 1, "spans": 0, "metrics": 0, "joined": 0, "dropped": 0, "dead": 0}
    assert stream.deliveries[0].tables["logs"]["message"].to_pylist() == ["one"]


def test_a_bad_record_of_a_kinesis_event_hinders_no_other() -> None:
    stream = MemoryStream()
    answer = handler(stream)(kinesis(data("one"), "SGVsbG8=", data("two")))
    assert answer["batchItemFailures"] == []
    assert (answer["counts"]["events"], answer["counts"]["dead"]) == (2, 1)
    assert [letter.body for delivery in stream.deliveries for letter in delivery.dead] == [b"SGVsbG8="]


@pytest.mark.parametrize("error", [TransientError("slow down"), PermanentError("no such stream")])
def test_a_kinesis_batch_that_is_not_delivered_is_sent_again_from_its_first_record(error: Exception) -> None:
    stream = FailingAt(0, error)
    answer = handler(stream)(kinesis(data("one"), data("two"), data("three")))
    assert answer["batchItemFailures"] == [{"itemIdentifier": "0"}]
    assert not stream.deliveries


def test_a_subscriptions_event_that_is_not_delivered_fails_so_that_lambda_tries_again() -> None:
    with pytest.raises(TransientError):
        handler(FailingAt(0, TransientError("slow down")))({"awslogs": {"data": data("one")}})


def test_an_event_of_another_shape_is_a_dead_letter_whole() -> None:
    stream = MemoryStream()
    event = {"Records": [{"s3": {"bucket": "b"}}]}
    assert handler(stream)(event)["counts"]["dead"] == 1
    assert json.loads(stream.deliveries[0].dead[0].body) == event


def notification(*keys: str) -> dict[str, Any]:
    shared = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
    return {"Records": [shared | {"s3": {"bucket": {"name": "logs"}, "object": {"key": key}}} for key in keys]}


def queue(*bodies: Any, receives: int = 1) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(receives)}
    records = [{"eventSource": "aws:sqs", "messageId": f"m{n}", "attributes": attributes, "body": json.dumps(body)} for n, body in enumerate(bodies)]
    return {"Records": records}


SHAPES: dict[str, Any] = {
    "S3": notification("a"),
    "SNS": {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(notification("a"))}}]},
    "EventBridge": {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": "logs"}, "object": {"key": "a"}}},
    "SQS": queue(notification("a")),
    "SNS in SQS": queue({"Type": "Notification", "Message": json.dumps(notification("a"))}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_is_read_however_it_is_notified(shape: str) -> None:
    stream = MemoryStream()
    answer = handler(stream, MemoryRanges({"a": gzip.compress(b"one\ntwo\n")}))(SHAPES[shape])
    assert answer["batchItemFailures"] == []
    assert (answer["counts"]["payloads"], answer["counts"]["events"]) == (1, 2)
    assert column(stream, "message") == ["one", "two"]


def test_messages_of_a_queue_that_must_come_again_are_named_and_the_others_are_done_with() -> None:
    def failing(*keys: str) -> MemoryRanges:
        class Failing(MemoryRanges):
            def get(self, place: Any, start: int, length: int, etag: str = "") -> Any:
                if place.key in keys:
                    raise PermanentError("access denied")
                return super().get(place, start, length, etag)

        return Failing({"a": b"one\n", "b": b"two\n", "c": b"three\n"})

    stream, event = MemoryStream(), queue(notification("a"), notification("b"), "hello", notification("c"))
    answer = handler(stream, failing("b", "c"))(event)
    assert answer["batchItemFailures"] == [{"itemIdentifier": "m1"}, {"itemIdentifier": "m3"}]
    assert (answer["counts"]["events"], answer["counts"]["dead"]) == (1, 1)
    answer = handler(stream, failing("b"))(queue(notification("b"), receives=3))
    assert (answer["batchItemFailures"], answer["counts"]["dead"]) == ([], 1)


def test_a_notification_without_a_queue_fails_where_trying_again_may_help_and_is_a_dead_letter_where_not() -> None:
    with pytest.raises(TransientError, match="slow down"):
        handler(MemoryStream(), MemoryRanges({"a": b"one\n"}, faults=[TransientError("slow down")] * 6))(notification("a"))
    stream = MemoryStream()
    answer = handler(stream, MemoryRanges({"a": b"one\n"}, faults=[PermanentError("access denied")]))(notification("a"))
    assert answer["counts"]["dead"] == 1
    assert json.loads(stream.deliveries[0].dead[0].body) == notification("a")
    with pytest.raises(TransientError):
        handler(FailingAt(0, TransientError("slow down")), MemoryRanges({"a": b"one\n"}))(notification("a"))


def test_the_delivery_stream_is_amazon_firehose_or_a_clear_error() -> None:
    settings = Settings(firehose_streams="shop", aws_endpoint_url="http://127.0.0.1:9")
    stream = stream_from_settings(settings)
    assert isinstance(stream, AmazonFirehose)
    assert stream.prefix == "shop"
    with pytest.raises(SettingError, match="firehose_streams is not set"):
        stream_from_settings(Settings())


def test_the_function_itself_delivers_parsed_rows_to_firehose(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    firehose, s3 = aws.client("firehose", Settings(aws_endpoint_url=url)), aws.client("s3", Settings(aws_endpoint_url=url))
    s3.create_bucket(Bucket="function-lake")
    target: Any = {"RoleARN": "arn:aws:iam::123456789012:role/firehose", "BucketARN": "arn:aws:s3:::function-lake"}
    firehose.create_delivery_stream(DeliveryStreamName="function-logs", ExtendedS3DestinationConfiguration=target)
    monkeypatch.setenv("TAILRACE_AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("TAILRACE_FIREHOSE_STREAMS", "function")
    monkeypatch.setenv("TAILRACE_REGION", "us-east-1")
    answer = lambda_handler({"awslogs": {"data": data('{"level": "error", "message": "boom"}')}}, None)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="function-lake")["Contents"]]
    (row,) = [json.loads(s3.get_object(Bucket="function-lake", Key=key)["Body"].read()) for key in keys]
    s3.create_bucket(Bucket="logs")
    s3.put_object(Bucket="logs", Key="a", Body=b'{"level": "warn", "message": "of an object"}')
    of_queue = lambda_handler(queue(notification("a")), None)
    server.stop()
    assert answer["counts"]["events"] == of_queue["counts"]["events"] == 1
    assert (row["message"], row["severity_text"], row["cloud_region"], row["aws_log_group_name"]) == ("boom", "ERROR", "us-east-1", "g")
