"""Lines to rows: mixed batches are parted and put back in order, detection is the same every time, and what is known of the lines is in every row."""

import json
from dataclasses import replace

import pytest

from collectors.detect import Detector, explain, of_group
from collectors.parse import Tally, parse_lines
from tailrace.fields import AttributeRegister
from tailrace.forms import arrow_schema
from tailrace.schema import FieldType
from tests.collectors.readers.samples import RECEIVED_US, attributes, formats, lines_of, parsed, rows

REPORT = "REPORT RequestId: 8e6a5d4c-1b2a-4c3d-9e8f-0a1b2c3d4e5f\tDuration: 102.25 ms\tBilled Duration: 103 ms\tMemory Size: 128 MB\tMax Memory Used: 51 MB\tInit Duration: 13.5 ms\t"
MIXED = (
    "START RequestId: 8e6a5d4c-1b2a-4c3d-9e8f-0a1b2c3d4e5f Version: $LATEST",
    '{"level":"INFO","message":"one"}',
    "print of a library",
    '{"level":"ERROR","message":"two"}',
    "END RequestId: 8e6a5d4c-1b2a-4c3d-9e8f-0a1b2c3d4e5f",
    REPORT,
    '{"level":"INFO","message":',
)


def test_a_function_mixes_formats_and_the_order_is_kept() -> None:
    found = parsed(MIXED, log_group="/aws/lambda/cart")
    assert found.logs["log_format"].to_pylist() == ["aws.lambda", "app.json", "text.plain", "app.json", "aws.lambda", "aws.lambda", "app.json"]
    assert found.logs["event_id"].to_pylist() == [f"id-{number}" for number in range(len(MIXED))]
    assert found.tally == {"aws.lambda": Tally(3), "app.json": Tally(2, failed=1), "text.plain": Tally(1)}
    assert found.logs["message"].to_pylist()[1:4] == ["one", "print of a library", "two"]


def test_a_report_tells_metrics_of_its_function() -> None:
    lines = lines_of([REPORT, "START RequestId: x"], log_group="/aws/lambda/cart")
    lines = replace(lines, origin=replace(lines.origin, service="cart", account="123456789012"))
    metrics = parse_lines(lines, formats(), AttributeRegister()).metrics
    assert metrics.schema == arrow_schema("metrics")
    told = {row["metric_name"]: (row["metric_value"], row["metric_unit"]) for row in metrics.to_pylist()}
    assert told == {
        "Duration": (102.25, "Milliseconds"),
        "BilledDuration": (103.0, "Milliseconds"),
        "InitDuration": (13.5, "Milliseconds"),
        "MaxMemoryUsed": (51.0, "Megabytes"),
        "MemorySize": (128.0, "Megabytes"),
    }
    assert {(row["service_name"], row["attributes"], row["cloud_account_id"]) for row in metrics.to_pylist()} == {
        ("cart", '{"FunctionName":"cart"}', "123456789012")
    }
    assert len(set(metrics["event_id"].to_pylist())) == 5


def test_no_report_no_metrics() -> None:
    assert parsed(MIXED[:3]).metrics.num_rows == 0


def test_no_lines_are_no_rows() -> None:
    found = parsed([])
    assert (found.logs.num_rows, found.tally, found.logs.schema) == (0, {}, arrow_schema("logs"))


@pytest.mark.parametrize("name", ["aws.alb", "app.json", "aws.vpc_flow", "web.nginx_access", "text.plain", "aws.lambda"])
def test_a_format_that_was_said_is_taken_whatever_the_lines_are(name: str) -> None:
    found = parsed(MIXED, name)
    assert set(found.logs["log_format"].to_pylist()) == {name}
    assert found.logs.num_rows == len(MIXED)


def test_every_row_says_where_it_comes_from() -> None:
    lines = lines_of(['{"message":"m","service":"own"}', '{"message":"m"}'])
    lines = replace(lines, origin=replace(lines.origin, service="cart", account="1", region="eu-west-1", log_group="/g", log_stream="s", host="h"))
    first, second = parse_lines(lines, formats(), AttributeRegister()).logs.to_pylist()
    assert (first["service_name"], second["service_name"]) == ("own", "cart")
    known = {
        "cloud_account_id": "1",
        "cloud_region": "eu-west-1",
        "aws_log_group_name": "/g",
        "aws_log_stream_name": "s",
        "host_name": "h",
        "stream_name": "test",
        "revision": 0,
    }
    assert {name: first[name] for name in known} == known


def test_the_time_of_the_envelope_counts_before_that_of_the_line_and_that_of_the_receipt() -> None:
    lines = ['{"message":"m","time":"2026-11-24T10:00:00Z"}', '{"message":"m","time":"2026-11-24T10:00:00Z"}', '{"message":"m"}']
    found = rows(lines, times=[1_795_514_401_000_000, None, None])
    assert [row["@timestamp"].isoformat() for row in found][:2] == ["2026-11-24T10:00:01", "2026-11-24T10:00:00"]
    assert found[2]["@timestamp"] == found[2]["observed_timestamp"]
    assert found[2]["observed_timestamp"].timestamp() != 0
    assert RECEIVED_US


def test_attributes_that_formats_declare_keep_their_types() -> None:
    register = AttributeRegister(declared=formats().declared())
    parsed(['{"message":"m","process.pid":"text","mine":1}'], "app.json", register)
    assert (register.type_of("process.pid"), register.type_of("mine")) == (FieldType.LONG, FieldType.LONG)


def test_what_a_source_had_last_is_asked_first_and_changes_no_answer() -> None:
    detector = Detector(formats())
    for batch in (MIXED, MIXED[1:2], MIXED[:1], MIXED):
        lines = lines_of(batch, source="same")
        names = {number: group.format.name for group in detector.groups(lines.origin, lines.text) for number in group.numbers.tolist()}
        fresh = {number: group.format.name for group in Detector(formats()).groups(lines.origin, lines.text) for number in group.numbers.tolist()}
        assert names == fresh


def test_an_explanation_ends_with_the_format_that_is_chosen() -> None:
    asked = explain(formats(), '{"a":1}', "/aws/lambda/x")
    (first, first_matches, _), (last, last_matches, why) = asked[0], asked[-1]
    assert (of_group(first, "/aws/lambda/x"), first_matches) == (True, False)
    assert (last.name, last_matches, why) == ("app.json", True, "the line matches its pattern")
    asked = explain(formats(), REPORT, "/aws/lambda/x")
    assert asked[-1][2] == "the log group /aws/lambda/x is its own and the line matches its pattern"


def test_raw_is_the_line_where_the_message_is_not() -> None:
    line = json.dumps({"message": "m", "n": 1})
    first, second = rows([line, "plain"])
    assert (first["message"], first["raw"], attributes(first)) == ("m", line, {"n": 1})
    assert (second["message"], "raw" in second) == ("plain", False)


def test_what_stands_for_nothing_in_the_message_s_own_column_is_no_message() -> None:
    alert = {"firewall_name": "fw", "event_timestamp": "1790000000", "event": {"alert": {"signature": ""}}}
    firewall, plain = rows([json.dumps(alert), '{"message":"","n":1}'])
    assert (firewall["message"], "raw" in firewall) == (json.dumps(alert), False)
    assert (plain["message"], plain["raw"]) == ("", '{"message":"","n":1}')


def test_lines_without_their_format_s_time_may_have_another() -> None:
    both, other, none = ("date", "time", "timestamp(ms)"), ("timestamp(ms)",), ()
    values = {"date": "2026-11-24", "time": "10:00:00", "timestamp(ms)": "1795514401123"}
    found = rows([json.dumps({"x-edge-location": "FRA6", **{name: values[name] for name in names}}) for names in (both, other, none)])
    assert [row["@timestamp"].isoformat() for row in found[:2]] == ["2026-11-24T10:00:00", "2026-11-24T10:00:01.123000"]
    assert found[2]["@timestamp"] == found[2]["observed_timestamp"]


def test_a_line_says_its_own_account_and_region_and_others_have_those_of_their_origin() -> None:
    event = '{"eventVersion":"1.11","eventName":"X","awsRegion":"eu-west-1","recipientAccountId":"111122223333"}'
    lines = lines_of([event, '{"eventVersion":"1.11","eventName":"X"}', "a line"])
    known = replace(lines, origin=replace(lines.origin, account="123456789012", region="us-east-1"))
    found = parse_lines(known, formats(), AttributeRegister()).logs
    assert found["cloud_account_id"].to_pylist() == ["111122223333", "123456789012", "123456789012"]
    assert found["cloud_region"].to_pylist() == ["eu-west-1", "us-east-1", "us-east-1"]
