"""CloudWatch Metric Streams, in the three forms in which they are sent through Firehose.

* JSON: an object a line, with a statistic set (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-metric-streams-formats-json.html).
* OpenTelemetry 0.7 and 1.0: messages of ``ExportMetricsServiceRequest``, each with its length before it
  (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-metric-streams-formats-opentelemetry-100.html). In 0.7 a summary's point has labels (texts), which lie where OTLP 1.x has
  nothing; the rest lies where it lies in 1.x. In 1.0 the dimensions are one attribute.

Either way a row has the names that CloudWatch shows: namespace, metric, dimensions as attributes, minimum, maximum, sum and count; further percentiles are ``statistic.p99`` and the like. A line that is none of a
metric is dead on its own; a message that is cut makes the whole record dead. An event id is a hash of what the record is known by and the place in it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ScopeMetrics, SummaryDataPoint

from collectors.envelopes.opened import Opened, Sent, check_dead
from collectors.envelopes.otlp.encoding import check_items, from_protobuf
from collectors.envelopes.otlp.metrics import quantile_name
from collectors.envelopes.otlp.values import json_text, members, time_us
from collectors.envelopes.points import Point, finite, points_table, whole
from firehose.delivery import DeadLetter
from tailrace.clock import US_PER_MS
from tailrace.errors import DecodeError
from tailrace.ids import Places

STREAM_NAME: Final = "metric-stream"
JSON_ENVELOPE: Final = "metric_stream_json"
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
MAX_MS: Final = 253_402_300_800_000
"""The year 10000, where dates end."""

SETS: Final = ("min", "max", "sum", "count")
VARINT_BITS: Final = 7
MAX_VARINT_BYTES: Final = 5


class _Record(msgspec.Struct, gc=False):
    namespace: str
    metric_name: str
    timestamp: int
    value: dict[str, float]
    unit: str = ""
    account_id: str = ""
    region: str = ""
    dimensions: dict[str, str] | None = None
    metric_stream_name: str = ""


_LINES: Final = msgspec.json.Decoder(_Record)


def open_json(sent: Sent) -> Opened:
    """Answer the rows of a record of JSON lines."""
    places = Places(STREAM_NAME, sent.identity)
    points: list[Point] = []
    dead: list[DeadLetter] = []
    for number, line in enumerate(sent.data.split(b"\n")):
        if not line.strip():
            continue
        try:
            points.append(_point(_LINES.decode(line), places.id(number), sent))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, DecodeError) as error:
            dead.append(DeadLetter("document", f"not a metric of a metric stream: {str(error)[:200]}", line, {"envelope": JSON_ENVELOPE}))
        check_dead(len(dead))
    return Opened(tables={"metrics": points_table(points, sent.source, sent.received_us)}, dead=tuple(dead))


def _point(one: _Record, event_id: str, sent: Sent) -> Point:
    if not 0 < one.timestamp < MAX_MS:
        raise DecodeError(f"timestamp is no date: {one.timestamp}")
    value = {name: number for name, number in one.value.items() if name not in SETS}
    more: dict[str, Any] = {f"statistic.{name.replace('.', '_')}": number for name, number in value.items()}
    return Point(
        event_id,
        one.timestamp * US_PER_MS,
        one.metric_name,
        one.namespace,
        one.unit or None,
        metric_min=one.value.get("min"),
        metric_max=one.value.get("max"),
        metric_sum=one.value.get("sum"),
        metric_count=whole(one.value.get("count")),
        cloud_account_id=one.account_id or sent.account or None,
        cloud_region=one.region or sent.region or None,
        attributes=json_text(dict(sent.attributes) | (one.dimensions or {}) | more),
    )


def is_otel(data: bytes) -> bool:
    r"""Whether bytes are messages with their lengths before them, to the last byte, and each is one of metrics.

    >>> is_otel(b"x\n"), is_otel(b"")
    (False, False)
    """
    try:
        found = [message for _, message in _messages(data)]
    except DecodeError:
        return False
    return bool(found) and all(message.resource_metrics for message in found)


def open_otel(sent: Sent) -> Opened:
    """Answer the rows of a record of messages."""
    places = Places(STREAM_NAME, sent.identity)
    points: list[Point] = []
    for at, message in _messages(sent.data):
        for number, resource in enumerate(message.resource_metrics):
            told = members(resource.resource.attributes)
            account, region = told.pop("cloud.account.id", sent.account), told.pop("cloud.region", sent.region)
            for position, metric in enumerate(_metrics(resource.scope_metrics)):
                check_items(len(points) + len(metric.summary.data_points))
                for last, point in enumerate(metric.summary.data_points):
                    identity = places.id(at, number, position, last)
                    points.append(_of_summary(metric, point, identity, sent)._replace(cloud_account_id=str(account) or None, cloud_region=str(region) or None))
    return Opened(tables={"metrics": points_table(points, sent.source, sent.received_us)})


def _messages(data: bytes) -> Iterator[tuple[int, ExportMetricsServiceRequest]]:
    at = 0
    while at < len(data):
        length, start = _varint(data, at)
        if length > MAX_MESSAGE_BYTES or start + length > len(data):
            raise DecodeError(f"a message at byte {at} is said to have {length} bytes, and {len(data) - start} follow")
        yield at, from_protobuf(data[start : start + length], ExportMetricsServiceRequest)
        at = start + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a length (https://protobuf.dev/programming-guides/encoding/#varints); answer it and where it ends."""
    value = 0
    for number, byte in enumerate(data[at : at + MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (VARINT_BITS * number)
        if byte < 0x80:
            return value, at + number + 1
    raise DecodeError(f"no length at byte {at}")


def _metrics(scopes: "Iterator[ScopeMetrics] | Any") -> Iterator[Metric]:  # noqa: ANN401 - protobuf's own kind of list
    return (metric for scope in scopes for metric in scope.metrics)


def _of_summary(metric: Metric, point: SummaryDataPoint, event_id: str, sent: Sent) -> Point:
    labels = _labels(point) or members(point.attributes)
    dimensions = {name.removeprefix("Dimensions."): value for name, value in labels.items() if name not in {"Namespace", "MetricName"}}
    ends = {value.quantile: finite(value.value) for value in point.quantile_values}
    more = {quantile_name(quantile): value for quantile, value in ends.items() if quantile not in {0.0, 1.0} and value is not None}
    return Point(
        event_id,
        time_us(point.time_unix_nano) or sent.received_us,
        str(labels.get("MetricName") or metric.name),
        str(labels.get("Namespace") or "") or None,
        metric.unit or None,
        metric_min=ends.get(0.0),
        metric_max=ends.get(1.0),
        metric_sum=finite(point.sum),
        metric_count=whole(point.count),
        attributes=json_text(dict(sent.attributes) | dimensions | more),
    )


def _labels(point: SummaryDataPoint) -> Mapping[str, str]:
    """Read the labels of version 0.7: field 1, messages of a key (1) and a value (2), both texts."""
    found: dict[str, str] = {}
    unknown = UnknownFieldSet(point)
    for number in range(len(unknown)):
        one = unknown[number]
        if one.field_number == 1 and isinstance(one.data, bytes):
            pair = _pair(one.data)
            found[pair.get(1, "")] = pair.get(2, "")
    return found


def _pair(data: bytes) -> Mapping[int, str]:
    """Read a message whose fields are texts; what is none is passed over."""
    fields: dict[int, str] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        length, at = _varint(data, at)
        if tag & 0x07 != 2 or at + length > len(data):
            raise DecodeError("a label is cut or no pair of texts")
        fields[tag >> 3] = data[at : at + length].decode("utf-8", "replace")
        at += length
    return fields
