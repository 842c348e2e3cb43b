"""Metrics that a user wants of log lines: a row of ``metrics`` for each line that a rule is about and that has a value.

The value is a number, or a field or attribute that holds one; a line on which it holds none gives no metric. It is made before lines are dropped or sampled, so a metric of health checks can outlive them. Its
event id is that of the line with a hash of the metric's name: a line that comes twice is measured once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from collectors.arrays import AnyArray
from collectors.attributes import json_objects
from collectors.columns import to_double
from collectors.metrics import MetricName, metric_rows
from collectors.rules.conditions import PREFIX, Condition, check_field, matching, read_conditions, values_of
from tailrace.ids import position_event_id
from tailrace.schema import FieldType
from tailrace.yaml_file import Document

KEY: Final = "metrics"
MAX_DIMENSIONS: Final = 30
"""As many as CloudWatch takes (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Metric.html)."""

SUFFIX_DIGITS: Final = 16
"""Digits of the hash: what follows the last hyphen of a metric's id is no part of the line's."""

_OPTIONS: Final = ("name", "namespace", "when", "value", "unit", "dimensions")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One rule: what the metric is called, which lines it is made of, its value (a number or a field), and its dimensions by field."""

    metric: MetricName
    when: tuple[Condition, ...]
    value: float | str
    dimensions: Mapping[str, str]


def read_measurements(document: Document) -> tuple[Measurement, ...]:
    """Read the rules of a file; raises :class:`tailrace.errors.FileError` with the place."""
    wanted = document.data.get(KEY, [])
    if not isinstance(wanted, list):
        raise document.error(f"{KEY} is a list", KEY)
    rules = tuple(_measurement(document, data, KEY, number) for number, data in enumerate(wanted))
    names = [(rule.metric.namespace, rule.metric.name) for rule in rules]
    if twice := next((number for number, name in enumerate(names) if name in names[:number]), None):
        raise document.error(f"two rules make the metric {names[twice][1]!r} of the namespace {names[twice][0]!r}", KEY, twice)
    return rules


def _measurement(document: Document, data: object, *where: str | int) -> Measurement:
    if not isinstance(data, dict) or not data.get("name") or not data.get("namespace"):
        raise document.error("a metric needs a name and a namespace", *where)
    document.refuse_unknown(_OPTIONS, *where)
    when = read_conditions(document, data["when"], *where, "when") if "when" in data else ()
    metric = MetricName(str(data["namespace"]), str(data["name"]), str(data.get("unit", "")))
    return Measurement(
        metric, when, _value(document, data.get("value", 1), *where, "value"), _dimensions(document, data.get("dimensions", []), *where, "dimensions")
    )


def _value(document: Document, value: object, *where: str | int) -> float | str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return check_field(document, value, *where)


def _dimensions(document: Document, data: object, *where: str | int) -> Mapping[str, str]:
    if isinstance(data, list):
        data = {str(name).removeprefix(PREFIX): name for name in data}
    if not isinstance(data, dict) or len(data) > MAX_DIMENSIONS:
        raise document.error(f"dimensions are a list of fields, or a mapping of names to fields, at most {MAX_DIMENSIONS}", *where)
    return {str(name): check_field(document, field, *where) for name, field in data.items()}


def measured(rows: pa.Table, rules: tuple[Measurement, ...]) -> pa.Table | None:
    """Answer the metrics of rows; ``None`` where there are none."""
    tables = [table for rule in rules if rows.num_rows and (table := _measured(rows, rule)).num_rows]
    return pa.concat_tables(tables) if tables else None


def _measured(rows: pa.Table, rule: Measurement) -> pa.Table:
    about = rows.filter(matching(rows, rule.when)) if rule.when else rows
    if not about.num_rows:
        return about
    dimensions = {name: (FieldType.KEYWORD, _plain(values_of(about, field), field)) for name, field in rule.dimensions.items()}
    attributes = json_objects(dimensions, None) if dimensions else pa.nulls(about.num_rows, pa.string())
    return metric_rows(about, rule.metric, position_event_id(rule.metric.namespace, rule.metric.name)[:SUFFIX_DIGITS], _values(about, rule.value), attributes)


def _values(rows: pa.Table, value: float | str) -> AnyArray:
    if isinstance(value, float):
        return pa.array([value] * rows.num_rows, pa.float64())
    numbers, _ = to_double(values_of(rows, value))
    doubles: AnyArray = numbers.cast(pa.float64())
    return doubles


def _plain(values: AnyArray, field: str) -> AnyArray:
    """Answer texts; of an attribute without the escapes of JSON."""
    texts: AnyArray = values.cast(pa.string())
    if not field.startswith(PREFIX) or not pc.any(pc.match_substring(texts, "\\"), min_count=0).as_py():
        return texts
    return pa.array([_unescaped(text) for text in texts.to_pylist()], pa.string())


def _unescaped(text: Any) -> str | None:  # noqa: ANN401 - what Arrow answers
    try:
        return None if text is None else str(json.loads(f'"{text}"')).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    except ValueError:
        return str(text)
