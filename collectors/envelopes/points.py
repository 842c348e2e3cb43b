"""Points of metrics, from whatever envelope, as rows of ``metrics``."""

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from tailrace.forms import arrow_schema

_MAX_LONG: Final = 2**63


class Point(NamedTuple):
    """One value or statistic set of a metric at a time; the names are those of the columns, ``attributes`` is a JSON text."""

    event_id: str
    event_time: int
    metric_name: str
    metric_namespace: str | None
    metric_unit: str | None
    metric_value: float | None = None
    metric_min: float | None = None
    metric_max: float | None = None
    metric_sum: float | None = None
    metric_count: int | None = None
    service_name: str | None = None
    cloud_account_id: str | None = None
    cloud_region: str | None = None
    aws_log_group_name: str | None = None
    attributes: str | None = None


def points_table(points: Sequence[Point], source: str, received_us: int) -> pa.Table:
    """Answer the rows of points."""
    columns: dict[str, Any] = dict(zip(Point._fields, zip(*points, strict=True), strict=True)) if points else {}
    constants = {"revision": 0, "observed_time": received_us, "log_source": source}
    schema = arrow_schema("metrics")
    return pa.Table.from_arrays(
        [pa.array(columns.get(one.name) or [constants.get(one.name)] * len(points), one.type) for one in schema],
        schema=schema,
    )


def finite(number: float | None) -> float | None:
    """Answer a number, or nothing for one that is none (NaN, infinite)."""
    return number if number is not None and math.isfinite(number) else None


def whole(number: float | None) -> int | None:
    """Answer a count; nothing for what is none or does not fit in 64 bits."""
    return int(number) if number is not None and math.isfinite(number) and 0 <= number < _MAX_LONG else None
