"""OTLP metrics: an ``ExportMetricsServiceRequest`` becomes rows of ``metrics``, one for each data point.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/. A gauge or sum has a value; a histogram, exponential histogram or summary has count and sum, and minimum and maximum where they were sent. The
namespace is the meter's name. Attributes are those of the resource, the scope and the point, and beside them:

* ``metric.kind`` (gauge, sum, histogram, exponential_histogram, summary), ``metric.temporality`` (delta, cumulative), ``metric.monotonic``, ``metric.start_time_unix_nano``;
* ``histogram.bounds`` and ``histogram.counts``; ``histogram.scale``, ``histogram.zero_count``, ``histogram.positive_offset``, ``histogram.positive_counts``, and so the negative ones;
* ``statistic.p99`` for each quantile of a summary but the least and the greatest; ``exemplar.trace_ids``.

A point that says it has no value (``NO_RECORDED_VALUE``) is left out, counted under that rule. A point without a value that does not say so is dead. An event id is a hash of the payload and the place.

CloudWatch's Metric Streams in OpenTelemetry's formats are summaries whose attributes name metric, namespace and dimensions; they are read so that they are the metrics that CloudWatch shows
(``collectors.envelopes.metric_stream``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from collectors.envelopes.opened import Opened, Sent, check_dead
from collectors.envelopes.otlp.encoding import check_items
from collectors.envelopes.otlp.promote import promoted
from collectors.envelopes.otlp.values import hex_id, json_text, members, time_us
from collectors.envelopes.points import Point, finite, points_table, whole
from firehose.delivery import DeadLetter
from tailrace.ids import Places

STREAM_NAME: Final = "otlp"
ENVELOPE: Final = "otlp_metrics"
NO_VALUE_RULE: Final = "no-recorded-value"

DataPoint = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint
Columns = dict[str, Any]

_TEMPORALITIES: Final = MappingProxyType(
    {AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA: "delta", AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE: "cumulative"}
)


@dataclass(slots=True)
class _Work:
    """What is gathered of a request."""

    sent: Sent
    places: Places
    points: list[Point] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    without_value: int = 0


def open_metrics(request: ExportMetricsServiceRequest, sent: Sent) -> Opened:
    """Answer the rows of a request."""
    work = _Work(sent, Places(STREAM_NAME, sent.identity))
    for at, resource in enumerate(request.resource_metrics):
        told = dict(sent.attributes) | members(resource.resource.attributes)
        for number, scope in enumerate(resource.scope_metrics):
            version = {"otel.scope.version": scope.scope.version} if scope.scope.version else {}
            shared = told | version | members(scope.scope.attributes)
            for position, metric in enumerate(scope.metrics):
                _take(work, metric, scope.scope.name, shared, (at, number, position))
    check_dead(len(work.dead))
    dropped = {NO_VALUE_RULE: work.without_value} if work.without_value else {}
    return Opened(tables={"metrics": points_table(work.points, sent.source, sent.received_us)}, dropped=dropped, dead=tuple(work.dead))


def data_of(metric: Metric) -> tuple[str, Sequence[DataPoint], dict[str, Any]]:
    """Answer the kind of a metric (empty: it has no data), its points, and what is said of all of them."""
    kind = metric.WhichOneof("data")
    if kind is None:
        return "", (), {}
    data = getattr(metric, kind)
    said: dict[str, Any] = {"metric.kind": kind}
    if kind in {"sum", "histogram", "exponential_histogram"} and data.aggregation_temporality in _TEMPORALITIES:
        said["metric.temporality"] = _TEMPORALITIES[data.aggregation_temporality]
    if kind == "sum":
        said["metric.monotonic"] = data.is_monotonic
    return kind, data.data_points, said


def _take(work: _Work, metric: Metric, meter: str, shared: dict[str, Any], place: tuple[int, int, int]) -> None:
    kind, points, said = data_of(metric)
    check_items(len(work.points) + len(points))
    for number, point in enumerate(points):
        if point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
            work.without_value += 1
            continue
        columns, more = _READERS[kind](point)
        if not columns and not more:
            work.dead.append(_letter(metric, kind, point, work.sent))
            continue
        attributes = shared | members(point.attributes)
        promotions = promoted(attributes, "metrics")
        attributes |= said | more | _start(point) | _exemplars(point)
        row = {"cloud_account_id": work.sent.account or None, "cloud_region": work.sent.region or None} | promotions | columns
        known = time_us(point.time_unix_nano) or work.sent.received_us
        work.points.append(
            Point(work.places.id(*place, number), known, metric.name, meter or None, metric.unit or None, attributes=json_text(attributes), **row)
        )


def _number(point: NumberDataPoint) -> tuple[Columns, dict[str, Any]]:
    match point.WhichOneof("value"):
        case "as_int":
            return {"metric_value": float(point.as_int)}, {}
        case "as_double":
            value = finite(point.as_double)
            return ({"metric_value": value}, {}) if value is not None else ({}, {"metric.value_text": str(point.as_double)})
        case _:
            return {}, {}


def _histogram(point: HistogramDataPoint) -> tuple[Columns, dict[str, Any]]:
    more = {"histogram.bounds": list(point.explicit_bounds), "histogram.counts": list(point.bucket_counts)} if point.bucket_counts else {}
    return _set_of(point), more


def _exponential(point: ExponentialHistogramDataPoint) -> tuple[Columns, dict[str, Any]]:
    more: dict[str, Any] = {"histogram.scale": point.scale, "histogram.zero_count": point.zero_count}
    for name, buckets in (("positive", point.positive), ("negative", point.negative)):
        if buckets.bucket_counts:
            more |= {f"histogram.{name}_offset": buckets.offset, f"histogram.{name}_counts": list(buckets.bucket_counts)}
    return _set_of(point), more


def _set_of(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> Columns:
    return {
        "metric_count": whole(point.count),
        "metric_sum": finite(point.sum) if point.HasField("sum") else None,
        "metric_min": finite(point.min) if point.HasField("min") else None,
        "metric_max": finite(point.max) if point.HasField("max") else None,
    }


def _summary(point: SummaryDataPoint) -> tuple[Columns, dict[str, Any]]:
    columns: Columns = {"metric_count": whole(point.count), "metric_sum": finite(point.sum)}
    more: dict[str, Any] = {}
    for one in point.quantile_values:
        if one.quantile in {0.0, 1.0}:
            columns["metric_max" if one.quantile else "metric_min"] = finite(one.value)
        elif (value := finite(one.value)) is not None:
            more[quantile_name(one.quantile)] = value
    return columns, more


_READERS: Final[Mapping[str, Callable[[Any], tuple[Columns, dict[str, Any]]]]] = MappingProxyType(
    {"gauge": _number, "sum": _number, "histogram": _histogram, "exponential_histogram": _exponential, "summary": _summary}
)


def quantile_name(quantile: float) -> str:
    """Name the attribute of a quantile as CloudWatch names its statistics.

    >>> quantile_name(0.99), quantile_name(0.999)
    ('statistic.p99', 'statistic.p99_9')
    """
    return f"statistic.p{round(quantile * 100, 6):g}".replace(".", "_").replace("statistic_", "statistic.")


def _start(point: DataPoint) -> dict[str, int]:
    return {"metric.start_time_unix_nano": point.start_time_unix_nano} if point.start_time_unix_nano else {}


def _exemplars(point: DataPoint) -> dict[str, list[str]]:
    if isinstance(point, SummaryDataPoint) or not point.exemplars:
        return {}
    traces = [found for one in point.exemplars if (found := hex_id(one.trace_id, 16))]
    return {"exemplar.trace_ids": traces} if traces else {}


def _letter(metric: Metric, kind: str, point: DataPoint, sent: Sent) -> DeadLetter:
    """Keep a point that has no value as a request of its own."""
    request = ExportMetricsServiceRequest()
    kept = request.resource_metrics.add().scope_metrics.add().metrics.add(name=metric.name, unit=metric.unit, description=metric.description)
    getattr(kept, kind).data_points.add().CopyFrom(point)
    return DeadLetter(
        "document", f"a point of the metric {metric.name[:200]!r} has no value", request.SerializeToString(), {"envelope": ENVELOPE, "source": sent.source}
    )
