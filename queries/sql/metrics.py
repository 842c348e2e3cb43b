"""Metrics in SQL: the columns that compute them over a group of rows, and their form in the response.

All is exact: ``cardinality`` counts distinct values, ``percentiles`` interpolates between the two nearest values. OpenSearch estimates both
(HyperLogLog++ and t-digest); ``docs/search.md`` says how far the two may lie apart.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlglot import exp

from queries.dsl.aggs import STATS_PARTS, metric_of
from queries.dsl.dates import DateReader, print_date
from queries.dsl.nodes import Aggregation, BucketOrder, Metric, MetricAgg, Percentiles, Scalar
from queries.fields import Unmapped
from queries.sql.columns import Found, call, indexed, real, text, whole
from queries.sql.filters import Scope
from queries.sql.ip import ip_key
from queries.values import boolean_value, double_value, keyword_text, long_floor
from tailrace.errors import RequestError
from tailrace.schema import FieldType

Row = Mapping[str, Any]

_NUMERIC: Final = frozenset({FieldType.LONG, FieldType.DOUBLE, FieldType.TIME, FieldType.BOOLEAN})
_COUNTED: Final = frozenset({"value_count", "cardinality"})


def value_of(agg_field: str, missing: Scalar | None, clause: str, scope: Scope) -> tuple[exp.Expr | None, FieldType]:
    """Answer the value that an aggregation reads, with ``missing`` filled in; ``None`` where the field is unmapped and nothing is filled in."""
    found = scope.resolver.resolve(agg_field)
    if isinstance(found, Unmapped):
        return (None, FieldType.KEYWORD) if missing is None else _constant(missing)
    if found.type in {FieldType.TEXT, FieldType.STORED, FieldType.ATTRIBUTES}:
        raise RequestError(f"{found.name} is a {found.type.value}, which cannot be aggregated; use a keyword, number or time", clause=clause)
    value = indexed(found)
    return (value if missing is None else call("coalesce", value, _literal(found, missing, clause, scope))), found.type


def _constant(missing: Scalar) -> tuple[exp.Expr | None, FieldType]:
    if isinstance(missing, str):
        return text(missing), FieldType.KEYWORD
    return real(float(missing)), FieldType.DOUBLE


def _literal(found: Found, missing: Scalar, clause: str, scope: Scope) -> exp.Expr:
    match found.type:
        case FieldType.LONG:
            return whole(long_floor(missing, clause)[0])
        case FieldType.DOUBLE:
            return real(double_value(missing, clause))
        case FieldType.BOOLEAN:
            return exp.true() if boolean_value(missing, clause) else exp.false()
        case FieldType.TIME:
            return whole(DateReader(scope.now_us, clause).read_ms(missing, round_up=False))
        case FieldType.IP:
            return text(ip_key(str(missing)) or "")
        case _:
            return text(keyword_text(missing))


def columns(metrics: Sequence[MetricAgg], scope: Scope) -> list[exp.Expr]:
    """Answer the columns that compute metrics, named ``<number of the metric>_<part>``."""
    return [exp.alias_(value, f"m{number}_{part}", quoted=True) for number, metric in enumerate(metrics) for part, value in _parts(metric, scope)]


def _parts(metric: MetricAgg, scope: Scope) -> list[tuple[str, exp.Expr]]:
    value, kind = value_of(metric.field, metric.missing, metric.clause, scope)
    if value is None:
        value, kind = exp.cast(exp.null(), "DOUBLE", dialect="duckdb"), FieldType.DOUBLE
    if isinstance(metric, Metric) and metric.kind in _COUNTED:
        inner = exp.Distinct(expressions=[value]) if metric.kind == "cardinality" else value
        return [("value", exp.Count(this=inner))]
    if kind not in _NUMERIC:
        word = metric.kind if isinstance(metric, Metric) else "percentiles"
        raise RequestError(f"field [{metric.field}] of type [{kind.value}] is not supported for aggregation [{word}]", clause=metric.clause)
    number = exp.cast(exp.cast(value, "BIGINT", dialect="duckdb") if kind is FieldType.BOOLEAN else value, "DOUBLE", dialect="duckdb")
    if isinstance(metric, Percentiles):
        shares = exp.Array(expressions=[real(percent / 100) for percent in metric.percents])
        return [("values", call("quantile_cont", number, shares))]
    wanted = STATS_PARTS if metric.kind == "stats" else (metric.kind,)
    return [(part if metric.kind == "stats" else "value", call(_FUNCTIONS[part], number.copy())) for part in wanted]


_FUNCTIONS: Final = {"min": "min", "max": "max", "avg": "favg", "sum": "fsum", "count": "count"}


def result(metric: MetricAgg, number: int, row: Row | None, kind: FieldType) -> dict[str, Any]:
    """Answer a metric as the response shows it; no row is an empty group."""
    if isinstance(metric, Percentiles):
        return _percentiles(metric, (row or {}).get(f"m{number}_values"), kind)
    if metric.kind == "stats":
        return _stats({part: (row or {}).get(f"m{number}_{part}") for part in STATS_PARTS}, kind)
    value = (row or {}).get(f"m{number}_value")
    if metric.kind in _COUNTED:
        return {"value": value or 0}
    if value is None and metric.kind == "sum":
        value = 0.0
    return {"value": value, **_as_string("value", value, kind)}


def _stats(parts: dict[str, Any], kind: FieldType) -> dict[str, Any]:
    count = parts["count"] or 0
    filled = {**parts, "count": count, "sum": parts["sum"] or 0.0}
    names = ("min", "max", "avg", "sum")
    if kind is FieldType.BOOLEAN and count:
        return {**filled, **{f"{name}_as_string": bool(filled[name]) for name in names}}  # so OpenSearch prints them, without quotes
    shown = [_as_string(part, filled[part], kind) for part in names] if count else []
    return {**filled, **{name: value for part in shown for name, value in part.items()}}


def _percentiles(metric: Percentiles, found: Sequence[float | None] | None, kind: FieldType) -> dict[str, Any]:
    values = list(found) if found else [None] * len(metric.percents)
    pairs = list(zip(metric.percents, values, strict=True))
    if not metric.keyed:
        return {"values": [{"key": percent, "value": value, **_as_string("value", value, kind)} for percent, value in pairs]}
    shown: dict[str, Any] = {}
    for percent, value in pairs:
        shown |= {repr(percent): value, **_as_string(repr(percent), value, kind)}
    return {"values": shown}


def _as_string(name: str, value: float | None, kind: FieldType) -> dict[str, str]:
    if value is None or kind not in {FieldType.TIME, FieldType.BOOLEAN}:
        return {}
    if kind is FieldType.BOOLEAN:
        return {f"{name}_as_string": "true" if value else "false"}
    suffix = "_as_string"
    return {f"{name}{suffix}": print_date(math.floor(value), None, 0, "")}


def order_value(order: BucketOrder, subs: Sequence[Aggregation], metrics: Sequence[MetricAgg]) -> exp.Expr:
    """Answer the column that orders buckets by a metric; the smallest and greatest of nothing are infinite, as in OpenSearch."""
    sub, part = metric_of(order.path, tuple(subs))
    number = next(at for at, metric in enumerate(metrics) if metric is sub)
    if isinstance(sub, Percentiles):
        at = [repr(percent).removesuffix(".0") for percent in sub.percents].index(part) + 1
        return exp.Bracket(this=exp.column(f"m{number}_values", quoted=True), expressions=[exp.Literal.number(at)], offset=1)
    name = part if isinstance(sub, Metric) and sub.kind == "stats" else "value"
    column = exp.column(f"m{number}_{name}", quoted=True)
    least = name if name != "value" else sub.kind if isinstance(sub, Metric) else ""
    match least:
        case "min":
            return call("coalesce", column, real(float("inf")))
        case "max":
            return call("coalesce", column, real(float("-inf")))
        case "sum":
            return call("coalesce", column, real(0.0))
        case _:
            return column
