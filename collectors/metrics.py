"""Metrics that log lines tell: Lambda's REPORT lines."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.format_file import Format
from tailrace.forms import arrow_schema
from tailrace.ids import position_event_id

LAMBDA: Final = "aws.lambda"
NAMESPACE: Final = "AWS/Lambda"

REPORTED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "aws.lambda.duration_ms": ("Duration", "Milliseconds"),
        "aws.lambda.billed_duration_ms": ("BilledDuration", "Milliseconds"),
        "aws.lambda.init_duration_ms": ("InitDuration", "Milliseconds"),
        "aws.lambda.max_memory_used_mb": ("MaxMemoryUsed", "Megabytes"),
    }
)
"""Attribute of a REPORT line: the metric's name and unit, as CloudWatch names them (MaxMemoryUsed as Lambda Insights does)."""


def metrics_of(one: Format, logs: pa.Table) -> pa.Table | None:
    """Answer the metrics of rows of a format; ``None`` where it tells none."""
    if one.name != LAMBDA or not logs.num_rows:
        return None
    reports = logs.filter(pc.starts_with(logs["message"], "REPORT "))
    found = [row for attribute, (name, unit) in REPORTED.items() for row in _rows(reports, attribute, name, unit)]
    return pa.Table.from_pylist(found, schema=arrow_schema("metrics")) if found else None


def _rows(reports: pa.Table, attribute: str, name: str, unit: str) -> list[dict[str, object]]:
    pattern = rf'"{attribute}":(?P<value>[0-9.]+)'
    values = pc.struct_field(pc.extract_regex(reports["attributes"].combine_chunks(), pattern), "value").cast(pa.float64()).to_pylist()
    return [_row(row, name, unit, value) for row, value in zip(reports.to_pylist(), values, strict=True) if value is not None]


def _row(log: Mapping[str, object], name: str, unit: str, value: float) -> dict[str, object]:
    shared = ("event_time", "observed_time", "service_name", "cloud_account_id", "cloud_region", "aws_log_group_name", "log_source")
    return {
        **{column: log[column] for column in shared},
        "event_id": position_event_id("metric", str(log["event_id"]), name),
        "revision": 0,
        "metric_name": name,
        "metric_namespace": NAMESPACE,
        "metric_unit": unit,
        "metric_value": value,
    }
