"""Requests of OTLP for tests, made with protobuf's own classes, and what a collector makes of a payload."""

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collectors.collector import Collector, Summary
from collectors.envelopes.opened import Sent
from collectors.from_settings import work_with
from firehose.delivery import DeadLetter, MemoryStream
from tailrace.clock import ManualClock
from tailrace.fields import AttributeRegister
from tailrace.schema import TABLES, TableName
from tests.collectors.readers.samples import formats

NS = 1_795_514_400_123_456_789
TRACE, SPAN = bytes.fromhex("6b02b77763f651453a9bbc6c80be111a"), bytes.fromhex("00f067aa0ba902b7")
RESOURCE = {"service.name": "shop", "host.name": "web-1", "cloud.account.id": "123456789012", "cloud.region": "eu-west-1", "k8s.pod.name": "web-7"}


def value(plain: Any) -> AnyValue:
    if isinstance(plain, list):
        return AnyValue(array_value=ArrayValue(values=[value(item) for item in plain]))
    if isinstance(plain, dict):
        return AnyValue(kvlist_value=KeyValueList(values=pairs(plain)))
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", bytes: "bytes_value", str: "string_value"}
    return AnyValue(**({} if plain is None else {kinds[type(plain)]: plain}))


def metric(name: str, **told: Any) -> Metric:
    return Metric(name=name, **told)


def pairs(members: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=value(one)) for name, one in members.items()]


def logs_request(*records: LogRecord, resource: dict[str, Any] | None = None, scope: str = "app") -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    one = request.resource_logs.add()
    one.resource.attributes.extend(pairs(RESOURCE if resource is None else resource))
    inner = one.scope_logs.add()
    inner.scope.name = scope
    inner.log_records.extend(records)
    return request


def metrics_request(*metrics: Metric, resource: dict[str, Any] | None = None) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    one = request.resource_metrics.add()
    one.resource.attributes.extend(pairs(RESOURCE if resource is None else resource))
    inner = one.scope_metrics.add()
    inner.scope.name = "meter"
    inner.metrics.extend(metrics)
    return request


def trace_request(*spans: Span, resource: dict[str, Any] | None = None) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    one = request.resource_spans.add()
    one.resource.attributes.extend(pairs(RESOURCE if resource is None else resource))
    inner = one.scope_spans.add()
    inner.scope.name = "tracer"
    inner.spans.extend(spans)
    return request


def collected(kind: str, *payloads: bytes, **told: Any) -> tuple[Summary, MemoryStream]:
    stream, register = MemoryStream(), AttributeRegister()
    one = Collector(stream, work_with(formats(), register), register, ManualClock())
    source, identity = told.pop("source", "test"), told.pop("identity", "payload-1")
    return sum((one.collect_sent([(kind, Sent(data, source, identity, **told))]) for data in payloads), Summary()), stream


def rows_of(stream: MemoryStream, table: TableName) -> list[dict[str, Any]]:
    """Answer the rows by the names of the fields, without what is null."""
    found = [row for one in stream.deliveries if table in one.tables for row in one.tables[table].to_pylist()]
    return [{field.name: row[field.column] for field in TABLES[table].fields if row[field.column] is not None} for row in found]


def letters(stream: MemoryStream) -> list[DeadLetter]:
    return [letter for one in stream.deliveries for letter in one.dead]


def assert_balanced(stream: MemoryStream) -> None:
    units: tuple[tuple[str, TableName], ...] = (("events", "logs"), ("spans", "spans"), ("metrics", "metrics"))
    for delivery in stream.deliveries:
        assert all(count.balanced for count in delivery.counts)
        for unit, table in units:
            rows = delivery.tables[table].num_rows if table in delivery.tables else 0
            assert rows == sum(count.went_out for count in delivery.counts if count.unit == unit)
        assert len(delivery.dead) == sum(count.dead for count in delivery.counts)
