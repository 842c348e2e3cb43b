"""Whatever comes in by whatever way, through the real formats: rows or a dead letter with every byte, and counts that add up."""

import base64
import gzip
import json
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collectors.collector import Collector, Document, Summary
from collectors.format import FormatSet
from collectors.format_file import load_formats
from collectors.from_settings import work_with
from collectors.handler import Handler
from collectors.lines import Origin
from collectors.sources.s3_notices import S3Notices
from collectors.sources.s3_objects import ObjectSource
from collectors.sources.text_lines import EMPTY_RULE, runs
from collectors.transformation import Held, Transformation
from firehose.delivery import Delivery, MemoryStream
from tailrace.clock import ManualClock
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema
from tailrace.schema import TableName
from tests.collectors.sources.s3_fakes import MemoryRanges

LINES = (
    "plain text",
    '{"level":"ERROR","message":"boom","trace_id":"1-6b02b777-63f651453a9bbc6c80be111a","order":{"id":7}}',
    "REPORT RequestId: 2ea49a23-ff39-4bf5-8761-439f99b7c5f6\tDuration: 3003.28 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 35 MB\t",
    "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK",
    '127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326 "-" "curl"',
    "<34>1 2026-10-11T22:14:15.003Z host su - ID47 - failed",
    '{"n": 123456789012345678901234567890, "d": {"a.b": [1, {"c": null}]}, "": "empty", "_id": 1}',
    "nul \0 ansi \x1b[31m bidi \u202e",
)
EVENTS = [{"id": f"{n:056d}", "timestamp": 1_790_000_000_000 + n, "message": line} for n, line in enumerate(LINES)]
PAYLOAD = json.dumps({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/aws/lambda/x", "logStream": "s", "logEvents": EVENTS}).encode()
PAYLOADS = (PAYLOAD, gzip.compress(PAYLOAD, mtime=0), zlib.compress(PAYLOAD), base64.b64encode(gzip.compress(PAYLOAD, mtime=0)))
SEGMENT = json.dumps({"trace_id": "1-6b02b777-63f651453a9bbc6c80be111a", "id": "390fe48a1db05a62", "name": "w", "start_time": 1, "end_time": 2}).encode()
FILLINGS = (b"NaN", b"null", b"{", b"]", b'"', b"\xff", b"\\ud800", b"1e999", b"-1", b"\n", b"\r", b"\t", b" ", b"\0", b"9" * 40, b"[" * 1_500)

mutations = st.lists(st.tuples(st.sampled_from(["cut", "flip", "insert", "repeat", "drop"]), st.floats(0, 1), st.integers(0, 15)), min_size=1, max_size=4)


def mutated(seed: bytes, changes: Sequence[tuple[str, float, int]]) -> bytes:
    mutant = bytearray(seed)
    for kind, where, what in changes:
        at = int(where * max(len(mutant) - 1, 0))
        match kind:
            case "cut":
                del mutant[at:]
            case "flip" if mutant:
                mutant[at] ^= 1 << what % 8
            case "insert":
                mutant[at:at] = FILLINGS[what]
            case "repeat":
                mutant += mutant[at:]
            case _:
                del mutant[at : at + what]
    return bytes(mutant)


@cache
def formats() -> FormatSet:
    return load_formats()


def collector() -> tuple[Collector, MemoryStream]:
    stream = MemoryStream()
    return Collector(stream, work_with(formats(), AttributeRegister()), AttributeRegister(), ManualClock(), 1 << 20), stream


UNITS: tuple[tuple[str, TableName], ...] = (("events", "logs"), ("spans", "spans"), ("metrics", "metrics"))


def assert_sound(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        assert all(count.balanced for count in delivery.counts)
        assert len(delivery.dead) == sum(count.dead for count in delivery.counts)
        for unit, name in UNITS:
            table = delivery.tables.get(name, arrow_schema(name).empty_table())
            assert table.schema == arrow_schema(name)
            table.validate(full=True)
            assert table.num_rows == sum(count.went_out for count in delivery.counts if count.unit == unit)
            assert table["event_id"].null_count == table["event_time"].null_count == 0
            assert all(isinstance(json.loads(text or "{}"), dict) for text in table["attributes"].to_pylist())


def test_the_unharmed_payload_is_read_whole() -> None:
    sut, stream = collector()
    for payload in PAYLOADS:
        summary = sut.collect_payload(payload)
        assert (summary.payloads, summary.events, summary.dead) == (1, len(LINES), ())
    assert_sound(stream.deliveries)


@given(seed=st.sampled_from(PAYLOADS), changes=mutations)
def test_a_mutated_payload_is_rows_or_one_dead_letter_with_every_byte(seed: bytes, changes: Sequence[tuple[str, float, int]]) -> None:
    sut, stream = collector()
    mutant = mutated(seed, changes)
    summary = sut.collect_payload(mutant)
    assert summary.payloads == 1
    assert not summary.dead or [letter.body for letter in summary.dead] == [mutant]
    assert_sound(stream.deliveries)


@given(line=st.sampled_from(LINES), changes=mutations)
def test_a_mutated_line_is_a_row_and_never_a_poison(line: str, changes: Sequence[tuple[str, float, int]]) -> None:
    sut, stream = collector()
    text = mutated(line.encode(), changes).decode("utf-8", "replace")
    body = json.dumps(
        {"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "timestamp": 1, "message": text}, {"id": "2", "timestamp": 1, "message": line}]}
    )
    summary = sut.collect_payload(body.encode())
    assert summary.dead == ()
    assert summary.events + summary.joined == 2
    assert_sound(stream.deliveries)


@given(changes=mutations)
def test_a_mutated_document_of_a_bulk_client_is_a_row(changes: Sequence[tuple[str, float, int]]) -> None:
    sut, stream = collector()
    summary = sut.collect_documents([Document(mutated(LINES[1].encode(), changes), "shop"), Document(LINES[1].encode(), "shop", "x")])
    assert (summary.events, summary.dead) == (2, ())
    assert_sound(stream.deliveries)


@given(changes=mutations)
def test_a_mutated_segment_is_spans_or_a_dead_letter(changes: Sequence[tuple[str, float, int]]) -> None:
    sut, stream = collector()
    mutant = mutated(SEGMENT, changes)
    summary = sut.collect_spans([SEGMENT, mutant], "xray:udp")
    assert summary.payloads == 2
    assert [letter.body for letter in summary.dead] in ([], [mutant])
    assert_sound(stream.deliveries)


@given(seed=st.sampled_from(["\n".join(LINES).encode(), "\r\n".join(LINES).encode()]), changes=mutations, cut=st.integers(1, 300))
def test_a_mutated_file_is_rows_and_counted_empty_lines(seed: bytes, changes: Sequence[tuple[str, float, int]], cut: int) -> None:
    sut, stream = collector()
    mutant, summary, empty = mutated(seed, changes), Summary(), 0
    for run in runs([mutant[at : at + cut] for at in range(0, len(mutant), cut)], Origin("file:x", "file"), "x", 1):
        summary += sut.collect_lines(run.lines, {EMPTY_RULE: run.empty} if run.empty else {})
        empty += run.empty
    whole = mutant.count(b"\n") + (not mutant.endswith(b"\n") and bool(mutant))
    assert summary.events + summary.joined + empty == whole
    assert summary.dead == ()
    assert_sound(stream.deliveries)


def handler(sut: Collector) -> Handler:
    objects = MemoryRanges({"a.log": b"one\ntwo\n", "b.gz": gzip.compress(b"three\n")[:-2]})
    transform = Transformation(sut, Held(MemoryStream()), lambda _event, _records: None)
    return Handler(sut, S3Notices(sut, ObjectSource(sut, ManualClock(), objects, patience_s=0), 3), transform)


def s3_record(key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {"eventSource": "aws:s3", "eventName": name, "s3": {"bucket": {"name": "logs"}, "object": {"key": key, "size": 8, "eTag": "e", "versionId": "null"}}}


DIRECT: dict[str, Any] = {"Records": [s3_record("a.log"), s3_record("b.gz"), s3_record("gone"), s3_record("a.log", "ObjectRemoved:Delete")]}
BRIDGED: dict[str, Any] = {"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": "logs"}, "object": {"key": "a.log"}}}
IN_SNS: dict[str, Any] = {"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": json.dumps(DIRECT)}}]}
IN_SQS: dict[str, Any] = {
    "Records": [
        {"eventSource": "aws:sqs", "messageId": str(n), "attributes": {"ApproximateReceiveCount": "2"}, "body": json.dumps(body)}
        for n, body in enumerate([DIRECT, BRIDGED, {"Type": "Notification", "Message": json.dumps(BRIDGED)}, {"Event": "s3:TestEvent"}])
    ]
}


@given(changes=mutations, event=st.sampled_from([DIRECT, BRIDGED, IN_SNS, IN_SQS]))
def test_a_mutated_notification_of_s3_is_read_or_a_dead_letter(changes: Sequence[tuple[str, float, int]], event: Any) -> None:
    sut, stream = collector()
    try:
        mutant = json.loads(mutated(json.dumps(event).encode(), changes))
    except (ValueError, RecursionError):
        return
    answer = handler(sut)(mutant)
    assert answer["batchItemFailures"] == []
    assert answer["counts"]["payloads"] >= 1
    assert_sound(stream.deliveries)


@given(changes=mutations, at=st.sampled_from(["data", "event"]))
def test_a_mutated_lambda_event_is_answered(changes: Sequence[tuple[str, float, int]], at: str) -> None:
    sut, stream = collector()
    good = base64.b64encode(PAYLOADS[1]).decode()
    event: Any = {"Records": [{"kinesis": {"sequenceNumber": "1", "data": good}}]}
    if at == "data":
        event["Records"][0]["kinesis"]["data"] = mutated(good.encode(), changes).decode("utf-8", "replace")
    else:
        try:
            event = json.loads(mutated(json.dumps(event).encode(), changes))
        except (ValueError, RecursionError):
            return
    answer = handler(sut)(event)
    assert answer["batchItemFailures"] == []
    assert answer["counts"]["payloads"] >= 1
    assert_sound(stream.deliveries)


def test_ten_thousand_events_of_one_payload_are_rows() -> None:
    stream = MemoryStream()
    events = [{"id": f"{n:056d}", "timestamp": 1_790_000_000_000, "message": LINES[n % 2]} for n in range(10_000)]
    body = json.dumps({"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": events}).encode()
    sut = Collector(stream, work_with(formats(), AttributeRegister()), AttributeRegister(), ManualClock())
    assert sut.collect_payload(gzip.compress(body)).events == 10_000
    assert_sound(stream.deliveries)
