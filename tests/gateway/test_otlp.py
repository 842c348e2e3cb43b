"""OTLP over HTTP: OpenTelemetry's own SDK and exporters are clients, and every refusal is one that they understand."""

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.testclient import TestClient

from firehose.delivery import MemoryStream
from gateway.otlp import JSON, PROTOBUF
from tests.collectors.envelopes.otlp.requests import NS, SPAN, TRACE, logs_request, rows_of, trace_request, value
from tests.gateway.running import FullStream, light_door, running

RESOURCE = Resource({"service.name": "checkout", "host.name": "h-1"})


@pytest.fixture
def stream() -> MemoryStream:
    return MemoryStream()


@pytest.fixture
def door(stream: MemoryStream) -> TestClient:
    return light_door(stream)


def post(door: TestClient, signal: str, body: bytes, kind: str = PROTOBUF, **headers: str) -> Any:
    return door.post(f"/v1/{signal}", content=body, headers={"content-type": kind, **headers})


@pytest.mark.parametrize("compression", [Compression.Gzip, Compression.Deflate, Compression.NoCompression])
def test_the_sdk_of_opentelemetry_is_a_client(tmp_path: Path, compression: Compression) -> None:
    with running(tmp_path) as (url, node):
        tracing = TracerProvider(resource=RESOURCE)
        tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces", compression=compression)))
        logs = LoggerProvider(resource=RESOURCE)
        logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs", compression=compression)))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics", compression=compression), export_interval_millis=600_000)
        meters = MeterProvider([reader], RESOURCE)
        with tracing.get_tracer("shop").start_as_current_span("POST /pay", kind=SpanKind.SERVER) as span:
            span.set_attribute("http.request.method", "POST")
            span.record_exception(ValueError("no such card"))
            span.set_status(Status(StatusCode.ERROR))
            trace_id = f"{span.get_span_context().trace_id:032x}"
            logs.get_logger("shop").emit(severity_number=SeverityNumber.ERROR, body="card refused", attributes={"order": 7}, event_name="refused")
        meter = meters.get_meter("shop")
        meter.create_counter("orders", "1").add(3, {"state": "paid"})
        meter.create_histogram("took", "s").record(0.25)
        for provider in (tracing, logs, meters):
            assert provider.force_flush(10_000) is not False
            provider.shutdown()
        assert node.stream.flush(10)
        found = {table: _hits(url, f"tailrace-{table}*") for table in ("logs", "spans", "metrics")}
        (row,) = found["logs"]
        assert (row["message"], row["severity_text"], row["service.name"], row["host.name"], row["trace_id"]) == (
            "card refused",
            "ERROR",
            "checkout",
            "h-1",
            trace_id,
        )
        (row,) = found["spans"]
        assert (row["name"], row["kind"], row["serviceName"], row["exception.message"], row["fault"]) == (
            "POST /pay",
            "SPAN_KIND_SERVER",
            "checkout",
            "no such card",
            True,
        )
        values = {row["metric.name"]: (row.get("metric.value"), row.get("metric.count")) for row in found["metrics"]}
        assert values == {"orders": (3.0, None), "took": (None, 1)}


def _hits(url: str, index: str) -> list[dict[str, Any]]:
    answer = requests.post(f"{url}/{index}/_search", json={"size": 10}, timeout=10).json()
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def test_the_handler_of_pythons_logging_is_a_client(tmp_path: Path) -> None:
    handlers = pytest.importorskip("opentelemetry.sdk._logs", reason="no such SDK here")
    if not hasattr(handlers, "LoggingHandler"):
        pytest.skip("this SDK has no handler for Python's logging")
    with running(tmp_path) as (url, node):
        logs = LoggerProvider(resource=RESOURCE)
        logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs")))
        logger = logging.getLogger("tailrace.tests.otlp")
        handler = handlers.LoggingHandler(logger_provider=logs)
        logger.addHandler(handler)
        for number in range(500):
            logger.warning("line %d", number)
        logger.removeHandler(handler)
        logs.force_flush(10_000)
        logs.shutdown()
        assert node.stream.flush(10)
        assert requests.get(f"{url}/tailrace-logs*/_count", timeout=10).json()["count"] == 500


def test_an_answer_has_the_encoding_of_its_request(door: TestClient, stream: MemoryStream) -> None:
    request = logs_request(LogRecord(time_unix_nano=NS, body=value("m")))
    answer = post(door, "logs", gzip.compress(request.SerializeToString()), **{"content-encoding": "gzip"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, PROTOBUF)
    assert not ExportLogsServiceResponse.FromString(answer.content).HasField("partial_success")
    answer = post(door, "logs", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"n"}}]}]}]}', "application/json; charset=utf-8")
    assert (answer.status_code, answer.json()) == (200, {})
    assert [row["message"] for row in rows_of(stream, "logs")] == ["m", "n"]
    assert {row["log.source"] for row in rows_of(stream, "logs")} == {"otlp:logs"}


def test_an_empty_request_is_no_fault(door: TestClient) -> None:
    assert [post(door, signal, b"").status_code for signal in ("logs", "metrics", "traces")] == [200, 200, 200]


def test_what_was_refused_is_told_and_kept(door: TestClient, stream: MemoryStream) -> None:
    good = Span(trace_id=TRACE, span_id=SPAN, name="n", start_time_unix_nano=NS)
    body = trace_request(good, Span(name="bad"), Span(name="worse")).SerializeToString()
    partial = ExportTraceServiceResponse.FromString(post(door, "traces", body).content).partial_success
    assert partial.rejected_spans == 2
    assert "trace id" in partial.error_message
    told = post(door, "traces", json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "bad"}]}]}]}).encode(), JSON).json()
    assert told["partialSuccess"]["rejectedSpans"] == "1"
    assert sum(len(one.dead) for one in stream.deliveries) == 3


def test_the_same_request_again_makes_the_same_events(door: TestClient, stream: MemoryStream) -> None:
    body = logs_request(LogRecord(time_unix_nano=NS, body=value("m")), LogRecord(time_unix_nano=NS, body=value("m"))).SerializeToString()
    post(door, "logs", body)
    post(door, "logs", gzip.compress(body), **{"content-encoding": "gzip"})
    assert len({row["event_id"] for row in rows_of(stream, "logs")}) == 2


@pytest.mark.parametrize("signal", ["logs", "metrics", "traces"])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff\xff\xff", {}),
        (b"not protobuf", {}),
        (b"\x0a\xff\xff\xff\xff\x07", {}),
        (b"x", {"content-encoding": "gzip"}),
        (gzip.compress(b"\x0a\x00" * 500)[:-4], {"content-encoding": "gzip"}),
        (b"x", {"content-encoding": "zstd"}),
    ],
)
def test_a_request_that_is_none_is_a_status_of_googles_rpc(door: TestClient, stream: MemoryStream, signal: str, body: bytes, headers: dict[str, str]) -> None:
    answer = post(door, signal, body, **headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROTOBUF)
    assert answer.content.startswith(b"\x08\x03\x12")
    kept = [letter.body for one in stream.deliveries for letter in one.dead]
    assert kept == ([] if headers else [body])


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"resourceLogs":7}', b"[" * 100_000, b'{"resourceLogs":[{"scopeLogs":[{"logRecords":"' + b"x" * 1000 + b'"}]}]}']
)
def test_json_that_is_none_is_a_status_in_json(door: TestClient, body: bytes) -> None:
    answer = post(door, "logs", body, JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert answer.json()["message"]


def test_a_bomb_is_refused(door: TestClient, stream: MemoryStream) -> None:
    answer = post(door, "logs", gzip.compress(b"\0" * (101 * 1024 * 1024), 9), **{"content-encoding": "gzip"})
    assert (answer.status_code, stream.deliveries) == (400, [])


def test_another_content_type_is_refused(door: TestClient) -> None:
    answer = door.post("/v1/logs", content=b"", headers={"content-type": "application/xml"})
    assert (answer.status_code, answer.json()["code"]) == (415, 3)


def test_a_full_spool_asks_the_exporter_to_come_again() -> None:
    body = logs_request(LogRecord(body=value("m"))).SerializeToString()
    answer = post(light_door(FullStream()), "logs", body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.content.startswith(b"\x08\x0e\x12")
    assert orjson.loads(post(light_door(FullStream()), "logs", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}', JSON).content)["code"] == 14


def test_the_token_is_asked_for() -> None:
    door = light_door(MemoryStream(), token="secret")
    assert post(door, "logs", b"").status_code == 401
    assert post(door, "logs", b"", authorization="Bearer secret").status_code == 200
