"""Metrics that log lines tell: Lambda's REPORT lines, a row for each figure, named as CloudWatch names them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray, one_array
from collectors.attributes import json_objects
from collectors.format import Format
from tailrace.forms import arrow_schema
from tailrace.schema import FieldType

LAMBDA: Final = "aws.lambda"
NAMESPACE: Final = "AWS/Lambda"

REPORTED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "aws.lambda.billed_duration_ms": ("BilledDuration", "Milliseconds"),
        "aws.lambda.init_duration_ms": ("InitDuration", "Milliseconds"),
        "aws.lambda.max_memory_used_mb": ("MaxMemoryUsed", "Megabytes"),
        "aws.lambda.memory_size_mb": ("MemorySize", "Megabytes"),
    }
)
"""Attribute of a REPORT line: the metric's name and unit. ``Duration`` is a field of its own."""

_SHARED: Final = ("revision", "event_time", "observed_time", "service_name", "cloud_account_id", "cloud_region", "aws_log_group_name", "log_source")


def metrics_of(one: Format, logs: pa.Table) -> pa.Table | None:
    """Answer the metrics of rows of a format; ``None`` where it tells none. An event id is that of the line with the metric's name."""
    if one.name != LAMBDA or not logs.num_rows:
        return None
    reports = logs.filter(pc.starts_with(logs["message"], "REPORT "))
    if not reports.num_rows:
        return None
    tables = [_metric(reports, "Duration", "Milliseconds", pc.round(pc.multiply(one_array(reports["duration_s"]), 1000.0), 6))]
    texts = one_array(reports["attributes"])
    for attribute, (name, unit) in REPORTED.items():
        found = pc.struct_field(pc.extract_regex(texts, rf'"{attribute}":(?P<value>[0-9.]+)'), "value")
        tables.append(_metric(reports, name, unit, found.cast(pa.float64())))
    return pa.concat_tables(tables)


def redaction_metrics(logs: pa.Table, counts: Mapping[str, int]) -> pa.Table:
    """Answer a metric for each rule that took something out of these rows; its event id is that of the first row with the rule's name."""
    first = logs.slice(0, 1)
    tables = [_counted(first, rule, count) for rule, count in counts.items() if count]
    return pa.concat_tables(tables) if tables else arrow_schema("metrics").empty_table()


def _counted(row: pa.Table, rule: str, count: int) -> pa.Table:
    known: dict[str, AnyArray] = {column: one_array(row[column]) for column in _SHARED}
    own = {
        "event_id": pc.binary_join_element_wise(one_array(row["event_id"]), rule, "-"),
        "metric_name": pa.array(["redacted"]),
        "metric_namespace": pa.array(["Tailrace"]),
        "metric_value": pa.array([float(count)]),
        "attributes": json_objects({"rule": (FieldType.KEYWORD, pa.array([rule]))}, None),
    }
    arrays = [(known | own)[field.name] if field.name in known | own else pa.nulls(1, field.type) for field in arrow_schema("metrics")]
    return pa.Table.from_arrays(arrays, schema=arrow_schema("metrics"))


def _metric(reports: pa.Table, name: str, unit: str, values: AnyArray) -> pa.Table:
    attributes = json_objects({"FunctionName": (FieldType.KEYWORD, one_array(reports["service_name"]))}, None)
    return metric_rows(reports, MetricName(NAMESPACE, name, unit), name, values, attributes)


@dataclass(frozen=True, slots=True)
class MetricName:
    """What a metric is called, and its unit (empty: none)."""

    namespace: str
    name: str
    unit: str = ""


def metric_rows(logs: pa.Table, metric: MetricName, suffix: str, values: AnyArray, attributes: AnyArray) -> pa.Table:
    """Answer a metric of each row of ``logs`` whose value is not null; its event id is that of the line with the suffix."""
    columns: dict[str, AnyArray] = {column: one_array(logs[column]) for column in _SHARED}
    columns["event_id"] = pc.binary_join_element_wise(one_array(logs["event_id"]), suffix, "-")
    columns["metric_value"] = values
    columns["attributes"] = attributes
    words = {"metric_name": metric.name, "metric_namespace": metric.namespace, "metric_unit": metric.unit or None}
    schema = arrow_schema("metrics")
    arrays = [columns[field.name] if field.name in columns else _constant(words.get(field.name), field.type, logs.num_rows) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema).filter(pc.is_valid(values))


def _constant(value: str | None, kind: pa.DataType, length: int) -> AnyArray:
    return pa.array([value] * length, kind)
