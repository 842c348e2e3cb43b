"""CloudWatch Metric Streams: three forms of the same numbers become the same rows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import SummaryDataPoint

from collectors.envelopes.firehose_record import content_of
from collectors.envelopes.metric_stream import is_otel
from tests.collectors.envelopes.otlp.requests import assert_balanced, collected, letters, pairs, rows_of

MS = 1_795_514_400_000
NUMBERS = {"min": 0.5, "max": 9.0, "sum": 30.5, "count": 6.0}
DIMENSIONS = {"InstanceId": "i-0123456789abcdef0", 'Odd "name"': "x"}
ONE = {
    "metric_stream_name": "all",
    "account_id": "123456789012",
    "region": "eu-west-1",
    "namespace": "AWS/EC2",
    "metric_name": "CPUUtilization",
    "dimensions": DIMENSIONS,
    "timestamp": MS,
    "value": {**NUMBERS, "p99": 8.5, "TM(10%:90%)": 5.0},
    "unit": "Percent",
}
RESOURCE = {
    "cloud.provider": "aws",
    "cloud.account.id": "123456789012",
    "cloud.region": "eu-west-1",
    "aws.exporter.arn": "arn:aws:cloudwatch:eu-west-1:123456789012:metric-stream/all",
}


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in records)


def varint(number: int) -> bytes:
    out = b""
    while number >> 7:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def request(point: SummaryDataPoint, name: str = "amazonaws.com/AWS/EC2/CPUUtilization", unit: str = "%") -> bytes:
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    resource.resource.attributes.extend(pairs(RESOURCE))
    resource.scope_metrics.add().metrics.add(name=name, unit=unit).summary.data_points.append(point)
    data = message.SerializeToString()
    return varint(len(data)) + data


def numbers() -> dict[str, Any]:
    quantiles = [{"quantile": q, "value": v} for q, v in ((0.0, 0.5), (0.99, 8.5), (1.0, 9.0))]
    return {"time_unix_nano": MS * 1_000_000, "count": 6, "sum": 30.5, "quantile_values": quantiles}


def otel_100(dimensions: dict[str, str]) -> bytes:
    return request(SummaryDataPoint(**numbers(), attributes=pairs({"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": dimensions})))


def otel_070(labels: dict[str, str]) -> bytes:
    """Labels are field 1 of a point: written as version 0.7 has them, and read by nobody's classes of today."""
    point = SummaryDataPoint(**numbers()).SerializeToString()
    for name, text in labels.items():
        pair = b"\x0a" + varint(len(name)) + name.encode() + b"\x12" + varint(len(text)) + text.encode()
        point = b"\x0a" + varint(len(pair)) + pair + point
    return request(SummaryDataPoint.FromString(point))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("metric_stream_json", lines({**ONE, "value": {**NUMBERS, "p99": 8.5}, "dimensions": {"InstanceId": "i-1"}})),
        ("metric_stream_otel", otel_100({"InstanceId": "i-1"})),
        ("metric_stream_otel", otel_070({"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "InstanceId": "i-1"})),
    ],
)
def test_every_form_is_the_same_row(kind: str, data: bytes) -> None:
    assert content_of(data, "auto", 1 << 20)[0] == kind
    summary, stream = collected(kind, data)
    assert summary.metrics == 1
    (row,) = rows_of(stream, "metrics")
    assert row.pop("metric.unit") in {"Percent", "%"}
    assert json.loads(row.pop("attributes")) == {"InstanceId": "i-1", "statistic.p99": 8.5}
    assert row.pop("@timestamp").timestamp() == row.pop("observed_timestamp").timestamp() - (1_790_000_000 - MS / 1000)
    row.pop("event_id")
    assert row == {
        "revision": 0,
        "metric.name": "CPUUtilization",
        "metric.namespace": "AWS/EC2",
        "metric.min": 0.5,
        "metric.max": 9.0,
        "metric.sum": 30.5,
        "metric.count": 6,
        "cloud.account.id": "123456789012",
        "cloud.region": "eu-west-1",
        "log.source": "test",
    }


def test_a_line_that_is_no_metric_is_dead_alone() -> None:
    bad = [b"{", b"[]", b'{"namespace":"n"}', json.dumps({**ONE, "timestamp": -1}).encode(), json.dumps({**ONE, "value": {"sum": "x"}}).encode(), b"\xff"]
    summary, stream = collected("metric_stream_json", lines(ONE) + b"\n".join(bad) + b"\n\n" + lines(ONE))
    assert (summary.metrics, [letter.body for letter in letters(stream)]) == (2, bad)
    assert_balanced(stream)
    again, _ = collected(letters(stream)[0].detail["envelope"], bad[0])
    assert len(again.dead) == 1


def test_further_statistics_are_attributes() -> None:
    _, stream = collected("metric_stream_json", lines(ONE))
    (row,) = rows_of(stream, "metrics")
    assert json.loads(row["attributes"]) == {**DIMENSIONS, "statistic.p99": 8.5, "statistic.TM(10%:90%)": 5.0}


def test_a_record_sent_again_has_the_same_ids_and_equal_lines_are_different_ones() -> None:
    for kind, data in (("metric_stream_json", lines(ONE, ONE)), ("metric_stream_otel", otel_100({}) * 2)):
        _, stream = collected(kind, data, data)
        ids = [row["event_id"] for row in rows_of(stream, "metrics")]
        assert ids[:2] == ids[2:]
        assert len(set(ids)) == 2


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_record_that_is_cut_is_dead_whole(cut: int) -> None:
    data = otel_100({"a": "b"}) + otel_070({"MetricName": "m"})
    summary, stream = collected("metric_stream_otel", data[:-cut])
    assert (summary.metrics, [letter.body for letter in letters(stream)]) == (0, [data[:-cut]])


@pytest.mark.parametrize(
    "data", [b"x\n" + b"y" * 200, b"a line of text\n", b"\x00", b"\x00\x00", b"\x02\x0a\x00\n", b"\xff\xff\xff\xff\xff\xff", b"\x05hello", b"", b"\n" * 30]
)
def test_text_is_taken_for_no_message(data: bytes) -> None:
    assert not is_otel(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_accounted_for(data: bytes) -> None:
    for kind in ("metric_stream_json", "metric_stream_otel"):
        _, stream = collected(kind, data)
        assert_balanced(stream)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_record_with_a_damaged_byte_is_accounted_for(at: int, byte: int) -> None:
    data = bytearray(otel_070({"Namespace": "n", "MetricName": "m", "d": "v"}) + otel_100({"d": "v"}))
    data[at % len(data)] = byte
    _, stream = collected("metric_stream_otel", bytes(data))
    assert_balanced(stream)


def test_a_record_of_lines_that_are_no_metrics_is_one_dead_letter() -> None:
    data = lines(ONE) + b"x\n" * 5_000
    summary, stream = collected("metric_stream_json", data)
    assert (summary.metrics, [letter.body for letter in letters(stream)]) == (0, [data])
    assert_balanced(stream)
