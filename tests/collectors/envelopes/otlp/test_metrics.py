"""OTLP metrics: a row for each point of every kind of metric, with what tells one from the other."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tests.collectors.envelopes.otlp.requests import NS, RESOURCE, TRACE, assert_balanced, collected, letters, metric, metrics_request, pairs, rows_of

DELTA, CUMULATIVE = 1, 2


def point(**more: Any) -> dict[str, Any]:
    return {"time_unix_nano": NS, "attributes": pairs({"route": "/cart"}), **more}


GAUGE = metric("queue.size", unit="{item}", gauge={"data_points": [point(as_int=7), point(as_double=0.5)]})
SUM = metric("requests", unit="1", sum={"aggregation_temporality": CUMULATIVE, "is_monotonic": True, "data_points": [point(as_int=12, start_time_unix_nano=5)]})
HISTOGRAM = metric(
    "http.server.request.duration",
    unit="s",
    histogram={
        "aggregation_temporality": DELTA,
        "data_points": [
            point(count=3, sum=0.6, min=0.1, max=0.3, bucket_counts=[1, 2, 0], explicit_bounds=[0.1, 1.0], exemplars=[{"trace_id": TRACE, "as_double": 0.3}])
        ],
    },
)
EXPONENTIAL = metric(
    "size",
    exponential_histogram={
        "aggregation_temporality": DELTA,
        "data_points": [
            point(count=4, sum=9.0, scale=2, zero_count=1, positive={"offset": -3, "bucket_counts": [1, 0, 2]}, negative={"offset": 1, "bucket_counts": []})
        ],
    },
)
SUMMARY = metric(
    "rpc",
    summary={
        "data_points": [
            point(count=10, sum=50.0, quantile_values=[{"quantile": q, "value": v} for q, v in ((0.0, 1.0), (0.5, 4.0), (0.99, 8.0), (0.999, 8.5), (1.0, 9.0))])
        ]
    },
)


def rows(*metrics: Metric, **more: Any) -> list[dict[str, Any]]:
    _, stream = collected("otlp_metrics", metrics_request(*metrics, **more).SerializeToString())
    assert_balanced(stream)
    return rows_of(stream, "metrics")


def test_a_gauge_has_a_value_and_the_names_of_its_service() -> None:
    whole, part = rows(GAUGE)
    assert json.loads(whole.pop("attributes")) == {"k8s.pod.name": "web-7", "host.name": "web-1", "route": "/cart", "metric.kind": "gauge"}
    assert whole.pop("@timestamp").isoformat() == "2026-11-24T10:00:00.123456"
    assert whole.pop("event_id") != part["event_id"]
    whole.pop("observed_timestamp")
    assert whole == {
        "revision": 0,
        "metric.name": "queue.size",
        "metric.namespace": "meter",
        "metric.unit": "{item}",
        "metric.value": 7.0,
        "service.name": "shop",
        "cloud.account.id": "123456789012",
        "cloud.region": "eu-west-1",
        "log.source": "test",
    }
    assert part["metric.value"] == 0.5


@pytest.mark.parametrize(
    ("metric", "columns", "attributes"),
    [
        (SUM, {"metric.value": 12.0}, {"metric.kind": "sum", "metric.temporality": "cumulative", "metric.monotonic": True, "metric.start_time_unix_nano": 5}),
        (
            HISTOGRAM,
            {"metric.count": 3, "metric.sum": 0.6, "metric.min": 0.1, "metric.max": 0.3},
            {
                "metric.kind": "histogram",
                "metric.temporality": "delta",
                "histogram.bounds": [0.1, 1.0],
                "histogram.counts": [1, 2, 0],
                "exemplar.trace_ids": [TRACE.hex()],
            },
        ),
        (
            EXPONENTIAL,
            {"metric.count": 4, "metric.sum": 9.0},
            {
                "metric.kind": "exponential_histogram",
                "metric.temporality": "delta",
                "histogram.scale": 2,
                "histogram.zero_count": 1,
                "histogram.positive_offset": -3,
                "histogram.positive_counts": [1, 0, 2],
            },
        ),
        (
            SUMMARY,
            {"metric.count": 10, "metric.sum": 50.0, "metric.min": 1.0, "metric.max": 9.0},
            {"metric.kind": "summary", "statistic.p50": 4.0, "statistic.p99": 8.0, "statistic.p99_9": 8.5},
        ),
    ],
)
def test_every_kind_of_metric_is_read(metric: Metric, columns: dict[str, Any], attributes: dict[str, Any]) -> None:
    (row,) = rows(metric, resource={})
    assert {name: row[name] for name in row if name in {"metric.value", "metric.count", "metric.sum", "metric.min", "metric.max"}} == columns
    assert json.loads(row["attributes"]) == {"route": "/cart", **attributes}


def test_a_point_that_says_it_has_no_value_is_left_out_and_counted() -> None:
    one = metric("m", gauge={"data_points": [point(flags=1), point(as_int=1)]})
    summary, stream = collected("otlp_metrics", metrics_request(one).SerializeToString())
    assert (summary.metrics, summary.dropped, summary.dead) == (1, 1, ())
    assert_balanced(stream)


def test_a_point_without_a_value_is_dead_alone_and_can_be_read_again() -> None:
    one = metric("m", gauge={"data_points": [point(), point(as_int=1)]})
    summary, stream = collected("otlp_metrics", metrics_request(one).SerializeToString())
    assert (summary.metrics, len(summary.dead)) == (1, 1)
    assert_balanced(stream)
    (letter,) = letters(stream)
    again, _ = collected(letter.detail["envelope"], letter.body)
    assert len(again.dead) == 1


def test_a_value_that_is_no_number_is_told_in_words() -> None:
    (row,) = rows(metric("m", gauge={"data_points": [point(as_double=float("nan"))]}))
    assert "metric.value" not in row
    assert json.loads(row["attributes"])["metric.value_text"] == "nan"


def test_a_metric_without_data_is_no_row_and_no_fault() -> None:
    assert rows(metric("m")) == []


def test_a_payload_sent_again_has_the_same_ids() -> None:
    data = metrics_request(GAUGE, SUM, SUMMARY).SerializeToString()
    _, stream = collected("otlp_metrics", data, data)
    ids = [row["event_id"] for row in rows_of(stream, "metrics")]
    assert ids[:4] == ids[4:]
    assert len(set(ids)) == 4


def test_the_json_form_is_read() -> None:
    form = {
        "resourceMetrics": [
            {"scopeMetrics": [{"scope": {"name": "meter"}, "metrics": [{"name": "m", "gauge": {"dataPoints": [{"timeUnixNano": str(NS), "asInt": "5"}]}}]}]}
        ]
    }
    _, stream = collected("otlp_metrics_json", json.dumps(form).encode())
    (row,) = rows_of(stream, "metrics")
    assert (row["metric.name"], row["metric.value"]) == ("m", 5.0)


@given(st.integers(0, 500), st.integers(0, 255))
def test_a_request_with_a_damaged_byte_is_accounted_for(at: int, byte: int) -> None:
    data = bytearray(metrics_request(GAUGE, HISTOGRAM, EXPONENTIAL, SUMMARY, resource=RESOURCE).SerializeToString())
    data[at % len(data)] = byte
    _, stream = collected("otlp_metrics", bytes(data))
    assert_balanced(stream)
